// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Finds the triggers that match the current entry.
final class JournalDispatcher {
    /// A trigger, with everything needed to match an entry.
    private struct Watch {
        let listener: Int
        let module: ModuleID
        /// The trigger's index in its module.
        let number: Int
        let isCounting: Bool
        /// The field that it counts by, if any.
        let key: JournalFieldKey?
        /// The group of the pattern that it counts by, if any.
        let keyGroup: String?
        let matches: [(field: JournalFieldKey, values: [[UInt8]])]
        /// Index into `patterns`; nil where any text matches.
        let pattern: Int?
    }

    /// A pattern and the field that it is matched with, shared by all triggers that use both.
    private struct Look {
        let text: String
        let field: JournalFieldKey
        let pattern: Pattern
        /// The entry that `outcome` is about.
        var turn = 0
        var outcome = Pattern.Outcome.unmatched
        var allowance = PatternAllowance()
    }

    private let watches: [Watch]
    private var patterns: [Look] = []
    private let index: JournalIndex
    private let own: OwnEntries
    /// The current boot.
    private let bootID = JournalReader.currentBootID()
    private(set) var exceeded = JournalSource.Exceeded()
    private(set) var suspensions: [JournalSource.Suspension] = []

    // State of the current entry.
    private var found: [Int] = []
    private var next = 0
    private var entry: JournalEntry?
    private var isOwn: Bool?
    /// Modules that already have an event for it, from triggers that do not count.
    private var told: [ModuleID] = []
    private var turn = 0

    /// - Throws: `Pattern.Malformed`, which the manifest's reader has already ruled out.
    init(_ listeners: [JournalSource.Listener], own: OwnEntries) throws(Pattern.Malformed) {
        self.own = own
        var watches: [Watch] = []
        var places: [[String]: Int] = [:]
        for (place, listener) in listeners.enumerated() {
            for (number, trigger) in listener.triggers.enumerated() {
                watches.append(
                    Watch(
                        listener: place, module: listener.module, number: number,
                        isCounting: trigger.counting != nil, key: Self.key(of: trigger),
                        keyGroup: Self.keyGroup(of: trigger),
                        matches: trigger.match.map { match in
                            (JournalFieldKey(match.field), match.values.map { Array($0.utf8) })
                        },
                        pattern: try Self.patternNumber(for: trigger, &patterns, &places)))
            }
        }
        self.watches = watches
        index = JournalIndex(listeners.flatMap(\.triggers))
    }

    private static func key(of trigger: JournalTrigger) -> JournalFieldKey? {
        if case .field(let name)? = trigger.counting?.key { JournalFieldKey(name) } else { nil }
    }

    private static func keyGroup(of trigger: JournalTrigger) -> String? {
        if case .capture(let name)? = trigger.counting?.key { name } else { nil }
    }

    private static func patternNumber(
        for trigger: JournalTrigger, _ patterns: inout [Look], _ places: inout [[String]: Int]
    ) throws(Pattern.Malformed) -> Int? {
        guard let text = trigger.pattern else { return nil }
        let key = [trigger.field, text]
        if let known = places[key] { return known }
        places[key] = patterns.count
        patterns.append(
            Look(text: text, field: JournalFieldKey(trigger.field), pattern: try Pattern(text)))
        return patterns.count - 1
    }

    // MARK: The current entry

    /// Whether every candidate trigger has been matched with the current entry.
    var isDone: Bool { next == found.count }
    /// Bytes of the entries and captures in the events made so far.
    private(set) var handedOn = 0

    /// The values that lead to a trigger; nil if an entry without them may match too.
    var wanted: JournalValueTable? { index.wanted }

    /// Finds the candidate triggers for the current entry.
    func begin(in reader: JournalReader) {
        found.removeAll(keepingCapacity: true)
        next = 0
        index.find(in: reader, &found)
        guard !found.isEmpty else { return }
        turn += 1
        entry = nil
        isOwn = nil
        told.removeAll(keepingCapacity: true)
    }

    /// Matches the next candidate trigger, and appends an event if it matches.
    func askNext(
        in reader: JournalReader, _ floors: JournalFloors, order: Int64, into events: inout [Event]
    ) throws(SystemCallError) {
        let watch = watches[found[next]]
        next += 1
        guard floors.isOpen[watch.listener], !isTold(watch), holds(watch, in: reader) else {
            return
        }
        var captured = Captured()
        var isExceeded = false
        if let pattern = watch.pattern {
            switch match(pattern, in: reader) {
            case .unmatched: return
            case .matched: captured = capture(pattern, for: watch, in: reader)
            case .exceeded, .cut:
                isExceeded = true
                exceeded.count += 1
                exceeded.module = watch.module
                exceeded.pattern = patterns[pattern].text
                exceeded.outcome = patterns[pattern].outcome
            }
        }
        let entry = try entry(in: reader, order)
        if isOwn == nil { isOwn = own.contains(entry) }
        guard isOwn == false else { return }
        if !watch.isCounting { told.append(watch.module) }
        handedOn += entry.json.count + captured.size
        events.append(
            .matched(
                watch.module,
                JournalMatch(
                    trigger: watch.number, entry: entry, captures: captured.captures,
                    truncated: captured.truncated, isExceeded: isExceeded,
                    slept: entry.position.bootID == bootID ? Clock.sleptMicroseconds : 0,
                    wholeKey: wholeKey(watch, of: entry, in: reader))))
    }

    /// Returns whether the module already has its event: one for each entry, however many of its
    /// triggers match. Each counting trigger gets its own event.
    private func isTold(_ watch: Watch) -> Bool {
        !watch.isCounting && told.contains(watch.module)
    }

    private func holds(_ watch: Watch, in reader: JournalReader) -> Bool {
        watch.matches.allSatisfy { field, values in
            guard let value = field.value(in: reader) else { return false }
            if values.contains(where: { value.elementsEqual($0) }) { return true }
            // Of several values, libsystemd returns an arbitrary one.
            return field.mayRepeat && reader.has(field.text, values)
        }
    }

    private func match(_ number: Int, in reader: JournalReader) -> Pattern.Outcome {
        guard let subject = patterns[number].field.value(in: reader) else { return .unmatched }
        if patterns[number].turn != turn {
            patterns[number].turn = turn
            patterns[number].outcome = run(number, on: subject)
        }
        return patterns[number].outcome
    }

    private struct Captured {
        var captures: [JournalMatch.Capture] = []
        var truncated: [String] = []
        /// The values that count towards `JournalFields.valueMax`, in bytes.
        var size = 0
    }

    /// Returns what the pattern's named groups have matched in the current entry.
    ///
    /// Groups may lie within each other, so together they may match the line many times over. They
    /// have room for the longest line, besides the group that is counted by, which must be whole.
    private func capture(
        _ number: Int, for watch: Watch, in reader: JournalReader
    ) -> Captured {
        let pattern = patterns[number].pattern
        var captured = Captured()
        guard let subject = patterns[number].field.value(in: reader) else { return captured }
        for (index, name) in pattern.captureNames.enumerated() {
            guard let range = pattern.range(ofCapture: index) else { continue }
            var value = UnsafeRawBufferPointer(rebasing: subject[range])
            if name != watch.keyGroup {
                let whole = value.count
                value = JournalFields.truncated(value, to: JournalFields.valueMax - captured.size)
                captured.size += value.count
                if value.count < whole { captured.truncated.append(name) }
            }
            captured.captures.append(.init(name: name, value: Array(value)))
        }
        return captured
    }

    private func run(_ number: Int, on subject: UnsafeRawBufferPointer) -> Pattern.Outcome {
        guard !patterns[number].allowance.isSuspended(at: Clock.now) else {
            return .exceeded(reason: "the pattern is suspended")
        }
        let pattern = patterns[number].pattern
        let outcome = pattern.match(subject)
        let hasExceeded = if case .exceeded = outcome { true } else { false }
        let cause = patterns[number].allowance.charge(
            .nanoseconds(pattern.slowNanoseconds), hasExceeded: hasExceeded, at: Clock.now)
        if let cause {
            let modules = watches.filter { $0.pattern == number }.map(\.module)
            suspensions.append(
                .init(modules: modules, pattern: patterns[number].text, cause: cause))
        }
        return outcome
    }

    /// Returns the patterns suspended since the last call.
    func takeSuspensions() -> [JournalSource.Suspension] {
        defer { suspensions = [] }
        return suspensions
    }

    /// Returns the whole value of the field that the trigger counts by, if the entry holds only
    /// part of it.
    private func wholeKey(
        _ watch: Watch, of entry: JournalEntry, in reader: JournalReader
    ) -> EntryKey? {
        guard let key = watch.key, entry.fields.truncated.contains(key.text) else { return nil }
        return key.value(in: reader, isWhole: true).map { EntryKey($0) }
    }

    private func entry(
        in reader: JournalReader, _ order: Int64
    ) throws(SystemCallError) -> JournalEntry {
        if let entry { return entry }
        let position = try reader.position(order: order, isInclusive: true)
        let fields = reader.fields()
        let made = JournalEntry(
            position: position, fields: fields, readAt: Clock.now,
            age: own.age(of: position, fields), isForeign: own.isElsewhere(fields))
        entry = made
        return made
    }
}
