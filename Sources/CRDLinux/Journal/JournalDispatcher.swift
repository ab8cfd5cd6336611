// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Tells for the entry at hand which triggers look out for it.
final class JournalDispatcher {
    /// A trigger with all that judging an entry needs.
    private struct Watch {
        let listener: Int
        let module: ModuleID
        /// Which of the module's triggers.
        let number: Int
        let isCounting: Bool
        /// The field that it counts by, if it does.
        let key: JournalFieldKey?
        let matches: [(field: JournalFieldKey, values: [[UInt8]])]
        /// Into `patterns`; nil where any text will do.
        let pattern: Int?
    }

    /// A pattern and what it is matched with, whoever asks for it.
    private struct Look {
        let text: String
        let field: JournalFieldKey
        let pattern: Pattern
        /// For which entry the outcome is known.
        var turn = 0
        var outcome = Pattern.Outcome.unmatched
        var allowance = PatternAllowance()
    }

    private let watches: [Watch]
    private var patterns: [Look] = []
    private let index: JournalIndex
    private let own: OwnEntries
    /// This boot.
    private let bootID = JournalReader.currentBootID()
    private(set) var exceeded = JournalSource.Exceeded()
    private(set) var suspensions: [JournalSource.Suspension] = []

    // Of the entry at hand.
    private var found: [Int] = []
    private var next = 0
    private var entry: JournalEntry?
    private var isOwn: Bool?
    /// Who was told of it by a trigger that does not count.
    private var told: [ModuleID] = []
    private var turn = 0

    /// - Throws: `Pattern.Malformed`, which the manifest's reader has seen to already.
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
                        matches: trigger.match.map { match in
                            (JournalFieldKey(match.field), match.values.map { Array($0.utf8) })
                        },
                        pattern: try Self.look(for: trigger, &patterns, &places)))
            }
        }
        self.watches = watches
        index = JournalIndex(listeners.flatMap(\.triggers))
    }

    private static func key(of trigger: JournalTrigger) -> JournalFieldKey? {
        if case .field(let name)? = trigger.counting?.key { JournalFieldKey(name) } else { nil }
    }

    private static func look(
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

    // MARK: One entry

    /// Every trigger has been asked about the entry at hand.
    var isDone: Bool { next == found.count }
    /// Bytes of entries that were handed on.
    private(set) var handedOn = 0

    /// All values that lead to a trigger; nil where other entries may be somebody's, too.
    var wanted: JournalValueTable? { index.wanted }

    /// Looks up whom the entry at hand may concern.
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

    /// Asks the next trigger.
    func askNext(
        in reader: JournalReader, _ floors: JournalFloors, order: Int64, into events: inout [Event]
    ) throws(SystemCallError) {
        let watch = watches[found[next]]
        next += 1
        guard floors.isOpen[watch.listener], !isTold(watch), holds(watch, in: reader) else {
            return
        }
        var captures: [JournalMatch.Capture] = []
        var isExceeded = false
        if let pattern = watch.pattern {
            switch match(pattern, in: reader, &captures) {
            case .unmatched: return
            case .matched: break
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
        handedOn += entry.json.count
        events.append(
            .matched(
                watch.module,
                JournalMatch(
                    trigger: watch.number, entry: entry, captures: captures,
                    isExceeded: isExceeded,
                    slept: entry.position.bootID == bootID ? Clock.sleptMicroseconds : 0,
                    wholeKey: wholeKey(watch, of: entry, in: reader))))
    }

    /// An entry is one event for a module, however many of its triggers want it. Those that count
    /// have each a count of their own.
    private func isTold(_ watch: Watch) -> Bool {
        !watch.isCounting && told.contains(watch.module)
    }

    private func holds(_ watch: Watch, in reader: JournalReader) -> Bool {
        watch.matches.allSatisfy { field, values in
            guard let value = field.value(in: reader) else { return false }
            if values.contains(where: { value.elementsEqual($0) }) { return true }
            // Which of several values libsystemd gives is open.
            return field.mayRepeat && reader.has(field.text, values)
        }
    }

    private func match(
        _ number: Int, in reader: JournalReader, _ captures: inout [JournalMatch.Capture]
    ) -> Pattern.Outcome {
        let pattern = patterns[number].pattern
        guard let subject = patterns[number].field.value(in: reader) else { return .unmatched }
        if patterns[number].turn != turn {
            patterns[number].turn = turn
            patterns[number].outcome = run(number, on: subject)
        }
        guard patterns[number].outcome == .matched else { return patterns[number].outcome }
        for (index, name) in pattern.captureNames.enumerated() {
            guard let value = pattern.capture(index, of: subject) else { continue }
            captures.append(.init(name: name, value: value))
        }
        return .matched
    }

    private func run(_ number: Int, on subject: UnsafeRawBufferPointer) -> Pattern.Outcome {
        guard !patterns[number].allowance.isSuspended(at: Clock.now) else {
            return .exceeded(reason: "the pattern is suspended")
        }
        let pattern = patterns[number].pattern
        let outcome = pattern.match(subject)
        let hasExceeded = if case .exceeded = outcome { true } else { false }
        let cause = patterns[number].allowance.note(
            took: .nanoseconds(pattern.slowNanoseconds), hasExceeded: hasExceeded, at: Clock.now)
        if let cause {
            let modules = watches.filter { $0.pattern == number }.map(\.module)
            suspensions.append(
                .init(modules: modules, pattern: patterns[number].text, cause: cause))
        }
        return outcome
    }

    /// The patterns that were suspended since this was last asked.
    func takeSuspensions() -> [JournalSource.Suspension] {
        defer { suspensions = [] }
        return suspensions
    }

    /// What the trigger counts by, where not all of it is in the entry as it is handed on.
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
            position: position, fields: fields, age: own.age(of: position, fields),
            isForeign: own.isElsewhere(fields))
        entry = made
        return made
    }
}
