// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

private let a = ModuleID(0)
private let b = ModuleID(1)

/// The scheduler's part of section 5, G8.
@Suite struct SchedulerJournalTests {
    private static let start = JournalPosition(cursor: "start", time: 0, order: 0)

    /// Modules that begin at `start`.
    private func rig(
        _ count: Int = 1, counting: JournalTrigger.Counting? = nil, catchUp: CatchUp? = nil,
        policy change: (inout Policy) -> Void = { _ in }
    ) -> Rig {
        var rig = Rig(count) {
            $0.interval = nil
            $0.journal = [JournalTrigger(pattern: "x", counting: counting)]
            change(&$0)
        }
        let records = (0..<count).map { (ModuleID($0), JournalRecord(position: Self.start)) }
        rig.beginJournal(Dictionary(uniqueKeysWithValues: records), catchUp)
        return rig
    }

    private func place(_ order: Int64, isInclusive: Bool = false) -> JournalPosition {
        JournalPosition(
            cursor: "\(order)", time: order * 1_000, order: order, isInclusive: isInclusive)
    }

    private func match(_ order: Int64) -> JournalMatch {
        JournalMatch(
            trigger: 0,
            entry: JournalEntry(
                position: place(order, isInclusive: true), fields: JournalFields(),
                readAt: Instant(nanoseconds: 0)))
    }

    @Test("G8: a position stays before an entry until the run that served it has ended")
    func positionWaitsForRun() {
        var rig = rig()
        #expect(rig.send(.matched(a, match(5)), at: 2_000) == ["check a journal 1"])
        #expect(rig.send(.journalRead(place(9), isAtEnd: true), at: 2_000) == [])
        #expect(rig.position(of: a) == place(5, isInclusive: true))
        #expect(rig.send(.exited(a, .exited(0)), at: 2_100) == ["kill a", "response a"])
        #expect(rig.position(of: a) == place(5, isInclusive: true))
        _ = rig.send(.exited(a, .exited(0)), at: 2_200)
        #expect(rig.position(of: a) == place(5, isInclusive: true))
        #expect(rig.send(.emptied(a), at: 2_300).last == "store")
        #expect(rig.position(of: a) == place(9))
        _ = rig.send(.matched(a, match(10)), at: 2_400)
        _ = rig.send(.journalRead(place(10), isAtEnd: true), at: 2_400)
        #expect(!rig.end(a, at: 2_500).contains("store"), "not more than once a second")
        #expect(rig.next() == ["at 3300", "store"])
        #expect(rig.next() == [], "no deadline without need")
    }

    @Test("G8: what came during a run is before the position until its own run has ended")
    func positionWaitsForNextRun() {
        var rig = rig()
        _ = rig.send(.matched(a, match(5)), at: 0)
        _ = rig.send(.matched(a, match(6)), at: 1)
        _ = rig.send(.matched(a, match(7)), at: 1)
        _ = rig.send(.journalRead(place(9), isAtEnd: true), at: 1)
        #expect(rig.end(a, at: 2).contains("check a journal 2"))
        #expect(rig.position(of: a) == place(6, isInclusive: true))
        _ = rig.end(a, at: 3)
        #expect(rig.position(of: a) == place(9))
    }

    @Test("G8: a check that could not start keeps its entries, and so does one that was stopped")
    func positionWaitsForRetry() {
        var rig = rig()
        _ = rig.send(.matched(a, match(5)), at: 0)
        _ = rig.send(.journalRead(place(9), isAtEnd: true), at: 0)
        _ = rig.send(.unable(a, reason: "busy"), at: 0)
        #expect(rig.position(of: a) == place(5, isInclusive: true))
        #expect(rig.next().contains("check a journal 1"))
        _ = rig.send(.stopped, at: 1_500)
        #expect(rig.end(a, at: 1_600).contains("exit"))
        #expect(rig.position(of: a) == place(5, isInclusive: true))
    }

    @Test("G8: each module has a position of its own") func positionsAreApart() {
        var rig = rig(2)
        _ = rig.send(.matched(b, match(3)), at: 0)
        _ = rig.send(.journalRead(place(9), isAtEnd: false), at: 0)
        #expect(rig.position(of: a) == place(9))
        #expect(rig.position(of: b) == place(3, isInclusive: true))
    }

    @Test("G8: a module that begins later keeps its beginning until it is reached")
    func laterBeginning() {
        var rig = Rig(2) {
            $0.interval = nil
            $0.journal = [JournalTrigger(pattern: "x")]
        }
        let end = JournalPosition(cursor: "end", time: 8_500, order: JournalPosition.last)
        rig.beginJournal(
            [a: JournalRecord(position: place(4)), b: JournalRecord(position: end)], nil)
        _ = rig.send(.journalRead(place(8), isAtEnd: false), at: 0)
        #expect(rig.position(of: a) == place(8))
        #expect(rig.position(of: b) == end)
        // Its time identifies that place, since nobody has read up to it yet.
        _ = rig.send(.journalRead(place(9), isAtEnd: false), at: 0)
        #expect(rig.position(of: b) == place(9))
        _ = rig.send(.journalRead(place(10), isAtEnd: true), at: 0)
        #expect(rig.position(of: b) == place(10))
    }

    @Test("G8: counters are stored with the position, and both as they were before what waits")
    func countersAreStored() throws {
        let counting = JournalTrigger.Counting(count: 3, within: .seconds(60))
        var first = rig(counting: counting)
        for order in 1...2 {
            #expect(first.send(.matched(a, match(Int64(order))), at: 0) == [])
        }
        #expect(
            first.send(.journalRead(place(2), isAtEnd: true), at: 0) == ["store"],
            "not before the position has what was counted")
        #expect(first.position(of: a) == place(2), "passed: they are in the counter")
        let between = try #require(first.record(of: a))
        #expect(first.send(.matched(a, match(3)), at: 5).first == "check a journal 1")
        _ = first.send(.journalRead(place(3), isAtEnd: true), at: 5)
        let during = try #require(first.record(of: a))
        #expect(during.position == place(3, isInclusive: true))

        // Either way the next daemon reads the third entry, which completes the count again.
        for record in [between, during] {
            var second = Rig {
                $0.interval = nil
                $0.journal = [JournalTrigger(pattern: "x", counting: counting)]
            }
            second.beginJournal([a: record], nil)
            #expect(second.send(.matched(a, match(3)), at: 0).first == "check a journal 1")
        }
        // A trigger that was changed has counted nothing.
        var other = rig(counting: .init(count: 3, within: .seconds(61)))
        other.beginJournal([a: between], nil)
        #expect(other.send(.matched(a, match(3)), at: 5).first != "check a journal 1")
    }

    @Test("catch-up drops what was written while nobody ran and is too old, and tells how many")
    func catchUp() {
        var rig = rig(catchUp: CatchUp(downSince: 10_000, oldest: 20_000))
        // Entry N is from millisecond N: 10 was seen, 20 is young enough.
        _ = rig.send(.matched(a, match(12)), at: 0)
        _ = rig.send(.matched(a, match(19)), at: 0)
        #expect(rig.send(.matched(a, match(10)), at: 0).first == "check a journal 1")
        _ = rig.end(a, at: 1)
        #expect(rig.send(.matched(a, match(20)), at: 2).first == "check a journal 1")
        #expect(
            rig.send(.journalRead(place(25), isAtEnd: true), at: 3) == ["a was spared 2", "store"])
        _ = rig.end(a, at: 4)
        // An entry just written is not too old, even when the clock was set back.
        #expect(rig.send(.matched(a, match(15)), at: 5).first == "check a journal 1")
        #expect(rig.send(.journalRead(place(26), isAtEnd: true), at: 6) == [])
    }

    @Test("G2: entries fold as all triggers do") func folding() {
        var rig = rig { $0.cooldown = .fixed(.milliseconds(500)) }
        #expect(rig.send(.matched(a, match(1)), at: 2_000).first == "check a journal 1")
        _ = rig.end(a, at: 2_010)
        for order in 2...40 { _ = rig.send(.matched(a, match(Int64(order))), at: 2_100) }
        #expect(rig.next() == ["at 2510", "check a journal 39"])
    }

    @Test("G9: counters that forget say so, once a minute") func forgetting() {
        var rig = rig(counting: .init(count: 2, within: .seconds(60), by: .capture("k")))
        func send(_ keys: Range<Int>, at milliseconds: Int) -> [String] {
            keys.flatMap { key in
                rig.send(
                    .matched(
                        a,
                        JournalMatch(
                            trigger: 0, entry: match(1).entry,
                            captures: [.init(name: "k", value: Array("\(key)".utf8))])),
                    at: milliseconds)
            }
        }
        let room = EntryCounter.keysMax
        #expect(send(0..<room, at: 0) == [])
        #expect(send(room..<(room + 10), at: 1_000) == ["a forgets 1"])
        #expect(send((room + 10)..<(room + 20), at: 60_999) == [])
        #expect(send((room + 20)..<(room + 21), at: 61_000) == ["a forgets 21"])
    }

    @Test("a disabled module has no journal") func disabled() {
        var rig = rig { $0.standing = .disabled }
        #expect(rig.send(.matched(a, match(1)), at: 0) == [])
    }

    @Test("nothing is stored for entries that nobody wants, but now and then") func idleStores() {
        var rig = rig()
        for second in 0..<60 {
            #expect(
                rig.send(.journalRead(place(Int64(second)), isAtEnd: true), at: second * 1_000)
                    == [])
            #expect(rig.scheduler.nextDeadlineIsNone)
        }
        #expect(rig.send(.journalRead(place(60), isAtEnd: true), at: 60_000) == ["store"])
    }
}

extension Scheduler {
    fileprivate var nextDeadlineIsNone: Bool {
        var copy = self
        return copy.nextDeadline == nil
    }
}

extension Rig {
    fileprivate mutating func beginJournal(
        _ records: [ModuleID: JournalRecord], _ catchUp: CatchUp?
    ) {
        withScheduler { $0.beginJournal(from: records, catchUp: catchUp) }
    }

    fileprivate func record(of module: ModuleID) -> JournalRecord? {
        scheduler.journalRecord(of: module)
    }

    fileprivate func position(of module: ModuleID) -> JournalPosition? {
        record(of: module)?.position
    }
}
