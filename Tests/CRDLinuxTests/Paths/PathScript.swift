// SPDX-License-Identifier: GPL-3.0-or-later

import CTestSupport
import Foundation
import SystemPackage
import TestSupport

@testable import CRDCore
@testable import CRDLinux

/// A `*.crdtest` file: triggers, then file system operations and the events expected of them.
///
///     # What it is about.
///     watch /dir events=create,delete recursive include=*.log exclude=*.gz
///     mkdir /dir                  what is there before the watch
///     arm
///     touch /dir/a.log
///     > create /dir/a.log         what a module must be told, in any order
///     rm /dir/a.log
///     > nothing                   or that it must not be told anything
///
/// Paths begin in a directory of the script's own. `watch B: …` is another module's trigger, and
/// `> B: …` what B is told. An event is its names joined with `+`, its path, then `dir` and
/// `from=PATH`. `> missing PATH` and `> armed` say what the first module waits for, `> watches N`
/// how many inodes are watched; `> many BEGINNING` omits what begins so. `\xHH` is a path's byte.
struct PathScript {
    struct Line: CustomStringConvertible {
        let number: Int
        let words: [String]

        var description: String { "line \(number): \(words.joined(separator: " "))" }
    }

    let name: String
    let lines: [Line]

    static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "PathScripts")

    static let all: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return files.filter { $0.hasSuffix(".crdtest") }.sorted()
    }()

    init(named name: String) throws {
        self.name = name
        let text = try String(contentsOf: Self.directory.appending(path: name), encoding: .utf8)
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .map { Line(number: $0 + 1, words: $1.split(separator: " ").map(String.init)) }
            .filter { !$0.words.isEmpty && !$0.words[0].hasPrefix("#") }
    }

    var needsMounts: Bool { lines.contains { ["mount", "bind"].contains($0.words[0]) } }

    /// - Returns: the unmet expectations, by line.
    func run() throws -> [String] {
        let stage = try PathStage()
        var complaints: [String] = []
        var index = 0
        while index < lines.count {
            let line = lines[index]
            guard line.words[0] == ">" else {
                do {
                    try stage.perform(line.words)
                } catch {
                    complaints.append("\(line): \(error)")
                }
                index += 1
                continue
            }
            // Expectations in consecutive lines belong together.
            let expectations = lines[index...].prefix { $0.words[0] == ">" }
            index += expectations.count
            let seen = try stage.settle()
            let expected = expectations.map { $0.words.dropFirst().joined(separator: " ") }
            complaints += stage.compare(expected, seen).map { "\(line): \($0)" }
        }
        return complaints
    }
}

/// The directory that a script runs in, and the source that watches it.
final class PathStage {
    private let directory: TemporaryDirectory
    private let source: PathSource
    private var mounts: MountSource?
    private var triggers: [(PathListener, PathTrigger)] = []
    private var held: [Int32] = []
    private var mountPoints: [[CChar]] = []
    private var pending: [Event] = []

    init() throws {
        directory = try TemporaryDirectory()
        source = try PathSource()
        mounts = try MountSource { [source] in source.receive($0, into: &$1) }
    }

    deinit {
        letGo()
        // A mount point cannot be removed.
        for point in mountPoints { umount2(point, Int32(MNT_DETACH)) }
    }

    // MARK: What is seen

    /// Everything that happened since the last call, as scripts write it.
    func settle() throws -> [String] {
        repeat {
            try mounts?.drain(into: &pending)
            try source.drain(into: &pending)
        } while isReady || source.hasBacklog
        defer { pending = [] }
        return try pending.map(describe)
    }

    private var isReady: Bool {
        var poll = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
        return Foundation.poll(&poll, 1, 0) > 0
    }

    private func describe(_ event: Event) throws -> String {
        guard case .triggered(let module, let trigger) = event else { return "\(event)" }
        let json = try JSONSerialization.jsonObject(with: Data(trigger.line))
        guard let fields = json as? [String: Any] else { return "no object" }
        let isOverflow = fields["overflow"] as? Bool == true
        let names = (fields["events"] as? [String] ?? []) + (isOverflow ? ["overflow"] : [])
        var text = names.joined(separator: "+") + " " + shown(fields["path"])
        if fields["directory"] as? Bool == true { text += " dir" }
        if let from = fields["from"] { text += " from=" + shown(from) }
        return module.index == 0 ? text : "\(Self.letters[module.index]): \(text)"
    }

    private static let letters = Array("ABCDEFGH")

    private func shown(_ path: Any?) -> String {
        var text = ""
        if let path = path as? String { text = path }
        if let bytes = path as? [UInt8] {
            text = bytes.map {
                $0 < 0x80 ? String(UnicodeScalar($0)) : "\\x" + String($0, radix: 16)
            }
            .joined()
        }
        let base = directory.path.string
        return text.hasPrefix(base) ? String(text.dropFirst(base.count)) : "outside:\(text)"
    }

    func compare(_ expected: [String], _ seen: [String]) -> [String] {
        var complaints: [String] = []
        var events = seen
        for text in expected {
            let words = text.split(separator: " ").map(String.init)
            switch words[0] {
            case "nothing": break
            case "many":
                let prefix = words.dropFirst().joined(separator: " ")
                let rest = events.filter { !$0.hasPrefix(prefix) }
                if rest.count == events.count { complaints.append("not seen: '\(text)'") }
                events = rest
            case "missing", "armed":
                let missing = source.missingPath(of: .module(ModuleID(0))).map { shown($0) }
                if missing != words.dropFirst().first {
                    complaints.append("waits for \(missing ?? "nothing"), not as in '\(text)'")
                }
            case "watches":
                if "\(source.watchCount)" != words[1] {
                    complaints.append("\(source.watchCount) watches, not as in '\(text)'")
                }
            default:
                if let index = events.firstIndex(of: text) {
                    events.remove(at: index)
                } else {
                    complaints.append("not seen: '\(text)'")
                }
            }
        }
        return complaints + events.map { "not expected: '\($0)'" }
    }

    // MARK: What is done

    func perform(_ words: [String]) throws {
        let arguments = Array(words.dropFirst())
        switch words[0] {
        case "watch": triggers.append(try trigger(arguments))
        case "arm":
            try mounts?.drain(into: &pending)
            source.arm(triggers, into: &pending)
        case "hold":
            let file = try path(arguments[0])
            held.append(try systemCall("open") { open(file, O_RDONLY | O_CLOEXEC) })
        case "let-go": letGo()
        case "burst":
            for number in 0..<(Int(arguments[0]) ?? 0) {
                try write("\(arguments[1])/\(number)", O_CREAT, "")
            }
        default: try change(words[0], arguments)
        }
    }

    private func letGo() {
        for descriptor in held { close(descriptor) }
        held = []
    }

    private func trigger(_ arguments: [String]) throws -> (PathListener, PathTrigger) {
        var words = arguments
        var module = 0
        if words[0].hasSuffix(":") {
            module = Self.letters.firstIndex(of: words.removeFirst().first!)!
        }
        var trigger = PathTrigger(path: try text(try path(words.removeFirst())))
        if trigger.path.hasSuffix("/") { trigger.path.removeLast() }
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            switch parts[0] {
            case "recursive": trigger.isRecursive = true
            case "include": trigger.include.append(try Glob(parsing: parts[1]))
            case "exclude": trigger.exclude.append(try Glob(parsing: parts[1]))
            case "events":
                let names = parts[1].split(separator: ",")
                trigger.events = PathEvents(
                    PathEvents.names.filter { names.contains(Substring($0.name)) }.map(\.event))
            default: throw Unknown(word: word)
            }
        }
        return (.module(ModuleID(module)), trigger)
    }

    struct Unknown: Error { let word: String }

    /// A path of the script as the kernel gets it.
    private func path(_ text: String) throws -> [CChar] {
        var bytes: [UInt8] = Array(text.hasPrefix("/") ? directory.path.string.utf8 : "".utf8)
        var rest = Substring(text)
        while let character = rest.popFirst() {
            if character == "\\", rest.popFirst() == "x" {
                guard let byte = UInt8(rest.prefix(2), radix: 16) else { throw Unknown(word: text) }
                bytes.append(byte)
                rest = rest.dropFirst(2)
            } else {
                bytes += Array(String(character).utf8)
            }
        }
        return bytes.map { CChar(bitPattern: $0) } + [0]
    }

    private func text(_ path: [CChar]) throws -> String {
        guard let text = String(validating: path.dropLast(), as: UTF8.self) else {
            throw Unknown(word: "a name that is not UTF-8")
        }
        return text
    }

    private func write(_ name: String, _ flags: Int32, _ text: String) throws {
        let file = try path(name)
        let descriptor = try systemCall("open", on: name) {
            open(file, flags | O_WRONLY | O_CLOEXEC, 0o644)
        }
        if !text.isEmpty { _ = Foundation.write(descriptor, text, text.utf8.count) }
        close(descriptor)
    }

    private func change(_ verb: String, _ arguments: [String]) throws {
        let one = try path(arguments[0])
        let other = arguments.count > 1 ? try path(arguments[1]) : []
        func call(_ body: @autoclosure () -> Int32) throws {
            let result = body()
            guard result == -1 else { return }
            throw SystemCallError(
                function: "script", errno: Errno(rawValue: errno), subject: verb)
        }
        switch verb {
        case "mkdir": try call(mkdir(one, 0o755))
        case "rmdir": try call(rmdir(one))
        case "rm": try call(unlink(one))
        case "rm-r": try FileManager.default.removeItem(atPath: try text(one))
        case "mv": try call(rename(one, other))
        case "exchange": try call(crd_test_exchange(one, other))
        case "ln": try call(link(one, other))
        case "ln-s": try call(symlink(one, other))
        case "chmod": try call(chmod(other, mode_t(arguments[0], radix: 8) ?? 0))
        case "touch": try write(arguments[0], O_CREAT, "")
        case "write": try write(arguments[0], O_CREAT | O_TRUNC, "text")
        case "append": try write(arguments[0], O_APPEND, "text")
        case "truncate": try call(Foundation.truncate(one, 0))
        case "read": _ = FileManager.default.contents(atPath: try text(one))
        case "mount":
            try call(mount("none", one, "tmpfs", 0, nil))
            mountPoints.append(one)
        case "bind":
            try call(mount(one, other, nil, UInt(MS_BIND), nil))
            mountPoints.append(other)
        case "umount": try call(umount(one))
        case "umount-lazily": try call(umount2(one, Int32(MNT_DETACH)))
        default: throw Unknown(word: verb)
        }
    }
}
