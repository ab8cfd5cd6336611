// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import FoundationEssentials

/// The messages between the daemon and the process that watches paths on a mount that may stall:
/// one JSON object per message.
enum PathHelperMessage {
    /// From the daemon to the helper. The helper answers with reports, then `.done`.
    enum Request: Codable {
        case arm(Trigger, isNew: Bool)
        case disarm(Trigger)
        /// Retries the listener's failed watches.
        case rearm(PathListener)
    }

    /// From the helper to the daemon.
    enum Report: Codable {
        /// A change is being examined, which may block. Followed by reports, then `.done`.
        case busy
        /// The request or the change has been processed.
        case done
        case happened(Happening, PathListener)
        case deafened(PathListener, reason: String)
        case rearmed(PathListener)
        /// The first of the listener's paths that does not exist; nil: all of them exist.
        case missing(PathListener, path: String?)

        init(_ report: PathReport, to listener: PathListener) {
            self =
                switch report {
                case .happened(let event): .happened(Happening(event), listener)
                case .deafened(let reason): .deafened(listener, reason: reason)
                case .rearmed: .rearmed(listener)
                }
        }
    }

    /// A `PathTrigger` and its listener.
    struct Trigger: Codable {
        let listener: PathListener
        let path: String
        let events: UInt32
        let isRecursive: Bool
        let include: [String]
        let exclude: [String]
        let watchesMax: Int?

        init(_ trigger: PathTrigger, of listener: PathListener) {
            self.listener = listener
            path = trigger.path
            events = trigger.events.rawValue
            isRecursive = trigger.isRecursive
            include = trigger.include.map(\.pattern)
            exclude = trigger.exclude.map(\.pattern)
            watchesMax = trigger.watchesMax
        }

        var pair: (PathListener, PathTrigger) {
            (
                listener,
                PathTrigger(
                    path: path, events: PathEvents(rawValue: events), isRecursive: isRecursive,
                    include: include.compactMap { Glob($0) },
                    exclude: exclude.compactMap { Glob($0) }, watchesMax: watchesMax)
            )
        }
    }

    /// A trigger's event as the helper has prepared it for the listener.
    struct Happening: Codable {
        private let line: Data
        private let path: Data
        private let events: UInt32
        /// On the clock that all processes share.
        private let readAt: Int64
        private let dropped: Int

        init(_ event: TriggerEvent) {
            line = Data(event.line)
            path = Data(event.variables.first { $0.name == "CRD_PATH" }?.value ?? [])
            events = event.pathEvents.rawValue
            readAt = event.readAt.nanoseconds
            dropped = event.dropped
        }

        var event: TriggerEvent {
            var event = TriggerEvent(
                cause: .path, line: Array(line),
                variables: [TriggerEvent.Variable(name: "CRD_PATH", value: Array(path))],
                pathEvents: PathEvents(rawValue: events), readAt: Instant(nanoseconds: readAt))
            event.dropped = dropped
            return event
        }
    }

    static func encode(_ message: some Encodable) -> [UInt8] {
        do {
            return try Array(JSONEncoder().encode(message))
        } catch {
            preconditionFailure("a message of strings and numbers cannot be encoded: \(error)")
        }
    }

    static func decode<Message: Decodable>(_ bytes: [UInt8], as type: Message.Type) -> Message? {
        try? JSONDecoder().decode(type, from: Data(bytes))
    }
}
