// SPDX-License-Identifier: GPL-3.0-or-later

/// How far a module has got in the journal (G8).
///
/// A stored record must lead to the same checks when it is read back. It has a position, and the
/// counters as they were there. So while an entry waits for the end of its run, the record keeps
/// the position and counters from before that entry.
struct JournalProgress: Sendable {
    /// A position to read again from, and the counters as they were there.
    private struct Mark {
        var position: JournalPosition
        var counters: [EntryCounter]
    }

    private var triggers: [JournalTrigger]
    /// One per trigger; that of a trigger that does not count stays empty.
    private var counters: [EntryCounter]
    /// Before this position the module gets no entries; nil once the journal was read to its end.
    private var start: JournalPosition?
    /// The mark before the oldest entry that no run was started for.
    private var pending: Mark?
    /// The mark before the oldest entry that the run under way was started for.
    private var running: Mark?
    /// How many entries were passed over as too old since reading began or went back.
    private var passedOver = 0
    /// How many evicted keys were reported, and when.
    private var forgottenReported = (count: 0, at: Instant?.none)

    /// The least time between two reports of evicted keys.
    private static let forgettingPeriod = Duration.seconds(60)

    /// - Parameter record: the progress that an earlier daemon stored.
    init(_ triggers: [JournalTrigger], from record: JournalRecord) {
        self.triggers = triggers
        start = record.position
        counters = triggers.map { trigger in
            record.counters.first { $0.trigger == trigger }?.counter ?? EntryCounter()
        }
    }

    /// Replaces the triggers. A trigger that stays the same keeps its counter.
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

    /// Holds the module where it is, since reading goes back for the sake of another module.
    mutating func hold(at read: JournalPosition?) {
        start = latest(read)
    }

    /// Counts a matching entry.
    ///
    /// - Returns: the event; nil where the count is not full yet.
    mutating func count(_ match: JournalMatch) -> TriggerEvent? {
        // Entries come only from `start` on, so it has been reached.
        start = nil
        let counting = triggers[match.trigger].counting
        guard let counting else {
            mark(match)
            return match.triggerEvent(nil)
        }
        let position = match.entry.position
        // Without a boot ID the monotonic time means nothing.
        let entry = EntryCounter.Noted(
            time: position.time, cursor: position.cursor,
            boot: position.bootID.isEmpty ? nil : position.bootID, monotonic: position.monotonic)
        let key = match.key(for: counting.key)
        // The mark is set before counting, and only for a full count: with a second owner of the
        // counters, every counted entry would copy all windows.
        let isFull = counters[match.trigger].isCompleted(
            by: entry, key: key, for: counting, slept: match.slept)
        if isFull { mark(match) }
        let tally = counters[match.trigger].count(
            entry, key: key, for: counting, slept: match.slept)
        if tally == nil { evict() }
        return tally.map { match.triggerEvent($0) }
    }

    /// Evicts keys while all counters together have more than one alone may have: a module may have
    /// hundreds.
    private mutating func evict() {
        while counters.reduce(0, { $0 + $1.keyCount }) > EntryCounter.keysMax
            || counters.reduce(0, { $0 + $1.size }) > EntryCounter.entriesMax
        {
            let largest = counters.indices.max { counters[$0].keyCount < counters[$1].keyCount }
            guard let largest, counters[largest].evict() else { return }
        }
    }

    /// Marks the position before the entry, for which a run will start, unless an older one is
    /// marked.
    private mutating func mark(_ match: JournalMatch) {
        guard pending == nil else { return }
        pending = Mark(position: match.entry.position, counters: counters)
    }

    /// Passes over a matching entry that is too old.
    mutating func passOver() {
        passedOver += 1
    }

    /// Returns how many keys its counters have evicted for lack of room, if they are more than at
    /// the last report and that was some time ago.
    mutating func passForgottenKeys(at now: Instant) -> Int? {
        let forgotten = counters.reduce(0) { $0 + $1.forgotten }
        guard forgotten > forgottenReported.count else { return nil }
        if let last = forgottenReported.at, last + Self.forgettingPeriod > now { return nil }
        forgottenReported = (forgotten, now)
        return forgotten
    }

    /// The journal has been read to its end.
    ///
    /// - Returns: how many entries were passed over.
    mutating func reachEnd() -> Int {
        start = nil
        defer { passedOver = 0 }
        return passedOver
    }

    mutating func beginRun() {
        running = pending
        pending = nil
    }

    /// Ends the run under way.
    ///
    /// - Parameter isServed: false where the run's entries must be served by another run.
    mutating func endRun(isServed: Bool) {
        if !isServed { pending = running ?? pending }
        running = nil
    }

    /// Returns the record to store; nil before the first entry.
    ///
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

    /// Returns how far the module has got: its start until reading has passed that.
    private func latest(_ read: JournalPosition?) -> JournalPosition? {
        guard let start, let read else { return start ?? read }
        return start.reachesBack(to: read) ? read : start
    }
}
