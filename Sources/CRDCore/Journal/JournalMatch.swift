// SPDX-License-Identifier: GPL-3.0-or-later

/// An entry that matches one of a module's triggers.
public struct JournalMatch: Hashable, Sendable {
    /// The text that a named group of the pattern matched.
    public struct Capture: Hashable, Sendable {
        public let name: String
        public let value: [UInt8]

        public init(name: String, value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// The index of the trigger among the module's journal triggers.
    public let trigger: Int
    public internal(set) var entry: JournalEntry
    public let captures: [Capture]
    /// The names of the captures whose values are truncated.
    public let truncated: [String]
    /// Whether matching was aborted at its limit. Whether the line matches is then unknown, so it
    /// counts as a match.
    public let isExceeded: Bool
    /// The longest time that the machine may have slept in the entry's boot, in microseconds. The
    /// monotonic clock leaves that time out.
    public let slept: Int64
    /// The key of the whole field that the trigger counts by, where the entry has it truncated.
    private let wholeKey: EntryKey?

    public init(
        trigger: Int, entry: JournalEntry, captures: [Capture] = [], truncated: [String] = [],
        isExceeded: Bool = false, slept: Int64 = 0, wholeKey: EntryKey? = nil
    ) {
        self.truncated = truncated
        self.wholeKey = wholeKey
        self.slept = slept
        self.trigger = trigger
        self.entry = entry
        self.captures = captures
        self.isExceeded = isExceeded
    }

    /// Returns the key to count the entry by.
    func key(for key: JournalTrigger.Key?) -> EntryKey {
        switch key {
        case nil: EntryKey([])
        case .field(let name): wholeKey ?? entry.fields.first(name).map { EntryKey($0) } ?? .missing
        case .capture(let name):
            captures.first { $0.name == name }.map { EntryKey($0.value) } ?? .missing
        }
    }

    /// Returns the event for the module.
    ///
    /// - Parameter tally: the counted entries, if the trigger counts.
    func triggerEvent(_ tally: EntryCounter.Tally?) -> TriggerEvent {
        var object = JSONObject(capacity: entry.json.count + 512)
        object.add("trigger", "journal")
        object.add("time", Timestamp.rfc3339(microsecondsSince1970: entry.position.time))
        object.add("cursor", entry.position.cursor)
        object.add("fields", json: entry.json)
        var named = JSONObject()
        for capture in captures { named.add(capture.name, journalValues: [capture.value[...]]) }
        object.add("captures", named)
        object.add("count", tally?.count ?? 1)
        if let tally { add(tally, to: &object) }
        let truncated = entry.fields.truncated + truncated
        if !truncated.isEmpty { object.add("truncated", truncated) }
        if isExceeded { object.add("exceeded", true) }
        return TriggerEvent(
            cause: .journal, line: object.encoded(), variables: variables, readAt: entry.readAt,
            age: entry.age ?? .zero, isForeign: entry.isForeign || entry.age == nil)
    }

    private func add(_ tally: EntryCounter.Tally, to object: inout JSONObject) {
        object.add("key", journalValues: [tally.key[...]])
        object.add(
            "entries",
            tally.entries.map { noted in
                var item = JSONObject()
                item.add("time", Timestamp.rfc3339(microsecondsSince1970: noted.time))
                item.add("cursor", noted.cursor)
                return item
            })
    }

    private var variables: [TriggerEvent.Variable] {
        var variables: [TriggerEvent.Variable] = []
        if let message = entry.fields.first("MESSAGE") {
            variables.append(.init(name: "CRD_MESSAGE", value: Array(message)))
        }
        if let unit = entry.unit {
            variables.append(.init(name: "CRD_UNIT", value: Array(unit)))
        }
        for capture in captures {
            variables.append(.init(name: "CRD_MATCH_\(capture.name)", value: capture.value))
        }
        return variables
    }
}
