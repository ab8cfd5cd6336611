// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A module whose check notes what each of its runs was given.
final class Witness {
    let name: String
    private let world: World
    private let records: String

    /// What one check was given.
    struct Run {
        var trigger: String
        var count: Int
        var dropped: Int
        /// `CRD_PATH`; nil where it was not set.
        var path: [UInt8]?
        /// The lines of `CRD_EVENTS`.
        var lines: [String]
        /// The whole environment of a check by a journal entry; empty for others.
        var environment: [String: [UInt8]] = [:]

        /// `CRD_MESSAGE` and `CRD_UNIT`; nil where they were not set.
        var message: [UInt8]? { environment["CRD_MESSAGE"] }
        var unit: String? { environment["CRD_UNIT"].map { String(decoding: $0, as: UTF8.self) } }

        /// `CRD_MATCH_name`, by name.
        var captures: [String: [UInt8]] {
            let prefix = "CRD_MATCH_"
            return environment.reduce(into: [:]) { captures, variable in
                guard variable.key.hasPrefix(prefix) else { return }
                captures[String(variable.key.dropFirst(prefix.count))] = variable.value
            }
        }

        var journalEvents: [JournalEvent] {
            get throws { try lines.map { try JournalEvent($0) } }
        }

        var events: [PathEvent] {
            get throws {
                try lines.map { try JSONDecoder().decode(PathEvent.self, from: Data($0.utf8)) }
            }
        }
    }

    /// A line of `CRD_EVENTS`, spelled out again here: modules rely on it.
    struct PathEvent: Decodable, Equatable {
        var trigger: String
        var time: String
        var path: Name
        var events: [String]
        var directory: Bool
        var from: Name?
        var overflow: Bool?
    }

    /// A string, or an array of bytes where they are not UTF-8.
    struct Name: Decodable, Equatable {
        var bytes: [UInt8]
        var isText: Bool

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let text = try? container.decode(String.self) {
                (bytes, isText) = (Array(text.utf8), true)
            } else {
                (bytes, isText) = (try container.decode([UInt8].self), false)
            }
        }

        /// As a test wants to read it.
        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// The same for a journal entry.
    struct JournalEvent {
        struct Known: Decodable {
            struct Entry: Decodable {
                var time: String
                var cursor: String
            }

            var trigger: String
            var time: String
            var cursor: String
            var captures: [String: Name]
            var count: Int
            var key: Name?
            var entries: [Entry]?
            var truncated: [String]?
            var exceeded: Bool?
        }

        var known: Known
        /// As JSONSerialization reads them.
        var fields: [String: Any]

        init(_ line: String) throws {
            let data = Data(line.utf8)
            known = try JSONDecoder().decode(Known.self, from: data)
            let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
            fields = object?["fields"] as? [String: Any] ?? [:]
        }

        /// Empty if it is missing or not text.
        var message: String { fields["MESSAGE"] as? String ?? "" }
    }

    /// - Parameters:
    ///   - before: what the check does before it notes anything.
    ///   - check: what it does then.
    init(
        _ name: String, in world: World, manifest: String, before: String = ":",
        check: String = "exit 1", response: String = "exit 0"
    ) throws {
        self.name = name
        self.world = world
        records = try world.makeDirectory("notes/\(name)")
        chmod(records, 0o777)
        try world.module(
            name,
            check: """
                mkdir '\(records)/now' || : >'\(world.notes)/overlap'
                \(before)
                cd '\(records)/now' || exit 9
                printf %s "$CRD_TRIGGER" >trigger
                printf %s "$CRD_EVENT_COUNT" >count
                printf %s "$CRD_EVENT_DROPPED" >dropped
                [ -z "${CRD_PATH+set}" ] || printf %s "$CRD_PATH" >path
                [ "$CRD_TRIGGER" != journal ] || cat "/proc/$$/environ" >environment
                cat "$CRD_EVENTS" >lines
                cd ..
                mv now "$(ls | wc -l)"
                \(check)
                """,
            response: response, manifest: manifest)
    }

    /// The runs until now, the oldest first.
    var runs: [Run] {
        var runs: [Run] = []
        while true {
            let record = "\(records)/\(runs.count + 1)"
            guard access(record, F_OK) == 0 else { return runs }
            func text(_ name: String) -> String {
                let data = FileManager.default.contents(atPath: "\(record)/\(name)") ?? Data()
                return String(decoding: data, as: UTF8.self)
            }
            runs.append(
                Run(
                    trigger: text("trigger"), count: Int(text("count")) ?? -1,
                    dropped: Int(text("dropped")) ?? -1,
                    path: FileManager.default.contents(atPath: "\(record)/path").map(Array.init),
                    lines: text("lines").split(separator: "\n").map(String.init),
                    environment: Self.variables(in: "\(record)/environment")))
        }
    }

    private static func variables(in file: String) -> [String: [UInt8]] {
        let data = FileManager.default.contents(atPath: file) ?? Data()
        return data.split(separator: 0).reduce(into: [:]) { variables, variable in
            guard let end = variable.firstIndex(of: UInt8(ascii: "=")) else { return }
            let name = String(decoding: variable[..<end], as: UTF8.self)
            variables[name] = Array(variable[variable.index(after: end)...])
        }
    }

    /// All events of all runs.
    var events: [PathEvent] {
        get throws { try runs.flatMap { try $0.events } }
    }

    /// The journal events of all runs.
    var told: [JournalEvent] {
        get throws { try runs.flatMap { try $0.journalEvents } }
    }

    /// Waits for as many journal entries, and expects them to be these.
    func tells(_ messages: [String], sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        var heard: [String] = []
        do {
            try await eventually(
                "\(name) is told of \(messages.count) entries", sourceLocation: sourceLocation
            ) {
                heard = try told.map(\.message)
                return heard.count >= messages.count
            }
        } catch {
            Issue.record("told: \(heard)", sourceLocation: sourceLocation)
            throw error
        }
        #expect(heard == messages, sourceLocation: sourceLocation)
        // Its notes count as told once its run has ended; a daemon stopped earlier would tell them
        // again.
        try await eventually("\(name)'s run has ended", sourceLocation: sourceLocation) {
            let state = (try? world.listed(name))?.state
            return state != "checking" && state != "responding"
        }
    }

    /// Waits for that many runs.
    @discardableResult
    func runs(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws
        -> [Run]
    {
        try await eventually("\(name) has noted \(count) runs", sourceLocation: sourceLocation) {
            runs.count >= count
        }
        return runs
    }

    /// Waits until its module is listed in that state.
    func state(_ state: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await eventually("\(name) is \(state)", sourceLocation: sourceLocation) {
            try world.listed(name).state == state
        }
    }

    /// Expects no further check for a while.
    func expectNoMoreRuns(
        for period: Duration = .seconds(1), sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let count = runs.count
        try await Task.sleep(for: period)
        #expect(runs.count == count, sourceLocation: sourceLocation)
        #expect(world.note("overlap") == nil, "G3", sourceLocation: sourceLocation)
    }
}
