// SPDX-License-Identifier: GPL-3.0-or-later

/// How far a module has got with the journal (G8).
///
/// What is stored must lead to the same checks when it is read back: a position, and the counters
/// as they were there. So while an entry waits for the end of its run, both stay where they were
/// before it.
struct JournalProgress: Sendable {
    /// Where to read again from, and what was counted until then.
    private struct Mark {
        var position: JournalPosition
        var counters: [EntryCounter]
    }

    private var triggers: [JournalTrigger]
    /// One a trigger; of one that does not count it stays empty.
    private var counters: [EntryCounter]
    /// Before it the module gets nothing; nil when all that was there at the start has been read.
    private var start: JournalPosition?
    /// Before the oldest entry that no run was started for.
    private var pending: Mark?
    /// Before the oldest entry that the run under way was started for.
    private var running: Mark?

    /// - Parameter record: of a former life of the daemon.
    init(_ triggers: [JournalTrigger], from record: JournalRecord) {
        self.triggers = triggers
        start = record.position
        counters = triggers.map { trigger in
            record.counters.first { $0.trigger == trigger }?.counter ?? EntryCounter()
        }
    }

    /// Goes on with other triggers. Of one that stays the same, what was counted stays too.
    mutating func change(to new: [JournalTrigger]) {
        let places = new.map { triggers.firstIndex(of: $0) }
        func moved(_ counters: [EntryCounter]) -> [EntryCounter] {
            places.map { $0.map { counters[$0] } ?? EntryCounter() }
        }
        counters = moved(counters)
        pending = pending.map { Mark(position: $0.position, counters: moved($0.counters)) }
        running = running.map { Mark(position: $0.position, counters: moved($0.counters)) }
        triggers = new
    }

    /// Reading goes back, for the sake of another module, to before what has been read.
    mutating func hold(at read: JournalPosition?) {
        start = latest(read)
    }

    /// - Returns: the event; nil where the count is not full yet.
    mutating func take(_ match: JournalMatch) -> TriggerEvent? {
        // It gets nothing before.
        start = nil
        let counting = triggers[match.trigger].counting
        guard let counting else {
            note(match)
            return match.triggerEvent(nil)
        }
        let position = match.entry.position
        // Without its boot, a place says nothing of the clock that is never set.
        let entry = EntryCounter.Noted(
            time: position.time, cursor: position.cursor,
            boot: position.bootID.isEmpty ? nil : position.bootID, monotonic: position.monotonic)
        let key = match.key(for: counting.key)
        // Before it is counted, and only then: with a second owner every counted entry would copy
        // all windows.
        let isFull = counters[match.trigger].isCompleted(
            by: entry, key: key, for: counting, slept: match.slept)
        if isFull { note(match) }
        let tally = counters[match.trigger].count(
            entry, key: key, for: counting, slept: match.slept)
        return tally.map { match.triggerEvent($0) }
    }

    /// A run is to be started for the entry, unless there is one to be started already.
    private mutating func note(_ match: JournalMatch) {
        guard pending == nil else { return }
        pending = Mark(position: match.entry.position, counters: counters)
    }

    /// How many keys its counters have forgotten for want of room.
    var forgotten: Int { counters.reduce(0) { $0 + $1.forgotten } }

    /// All that was there at the start has been read.
    mutating func reachEnd() {
        start = nil
    }

    mutating func beginRun() {
        running = pending
        pending = nil
    }

    /// - Parameter isServed: false where the run's entries are still to be looked at.
    mutating func endRun(isServed: Bool) {
        if !isServed { pending = running ?? pending }
        running = nil
    }

    /// - Parameter read: how far the journal has been read.
    func record(_ read: JournalPosition?) -> JournalRecord? {
        let mark = running ?? pending
        guard let position = mark?.position ?? latest(read) else { return nil }
        let counters = mark?.counters ?? counters
        let counted = zip(triggers, counters).filter { $0.0.counting != nil }
        return JournalRecord(
            position: position,
            counters: counted.map { JournalRecord.Count(trigger: $0.0, counter: $0.1) })
    }

    /// Before the module's start is reached, that is its position.
    private func latest(_ read: JournalPosition?) -> JournalPosition? {
        guard let start, let read else { return start ?? read }
        return start.reachesBack(to: read) ? read : start
    }
}
