// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("Counting journal entries")
struct EntryCounterTests {
    private static let counting = JournalTrigger.Counting(count: 3, within: .seconds(60))

    /// The keys and the seconds of entries; which of them make a count full.
    private func fires(
        _ entries: [(key: String, second: Int64)],
        _ counting: JournalTrigger.Counting = counting
    ) -> [Int] {
        var counter = EntryCounter()
        return entries.indices.filter { index in
            let (key, second) = entries[index]
            return counter.count(
                .init(time: second * 1_000_000, cursor: "\(index)"), key: Array(key.utf8),
                for: counting) != nil
        }
    }

    @Test(
        "so many in that time are one event, and then it starts anew",
        arguments: [
            ([0, 1, 2], [2]),
            ([0, 30, 60], [2]),
            ([0, 30, 61], []),
            ([0, 30, 61, 62], [3]),
            ([0, 1, 2, 3, 4, 5, 6], [2, 5]),
            // The clock was set back by an hour, and forward again.
            ([4_000, 4_001, 400, 401, 402], [4]),
            ([400, 401, 4_000, 4_001, 4_002], [4]),
            // Entries of several machines or boots need not come in order.
            ([50, 10, 30], [2]),
        ] as [([Int64], [Int])])
    func window(seconds: [Int64], expected: [Int]) {
        #expect(fires(seconds.map { ("", $0) }) == expected)
    }

    @Test("keys are counted apart") func keys() {
        #expect(fires([("a", 0), ("b", 0), ("a", 1), ("b", 1), ("b", 2), ("a", 3)]) == [4, 5])
    }

    @Test("a count of one is every entry") func one() {
        #expect(fires([("", 0), ("", 0)], .init(count: 1, within: .seconds(1))) == [0, 1])
    }

    @Test("tells the key and the entries that made the count full, the latest hundred")
    func tally() throws {
        let counting = JournalTrigger.Counting(count: 150, within: .seconds(1))
        var counter = EntryCounter()
        var tally: EntryCounter.Tally?
        for index in 0..<150 {
            #expect(tally == nil)
            tally = counter.count(
                .init(time: Int64(index), cursor: "c\(index)"), key: [7], for: counting)
        }
        let found = try #require(tally)
        #expect(found.key == [7])
        #expect(found.count == 150)
        #expect(found.entries.map(\.cursor) == (50..<150).map { "c\($0)" })
    }

    @Test("G4: the keys that were counted longest ago are forgotten first")
    func keysAreBounded() {
        var entries = (0...EntryCounter.keysMax).map { ("\($0)", Int64(1)) }
        entries += [("0", 2), ("0", 2), ("2", 2), ("2", 2)]
        // One of key 0 has been forgotten, those of key 2 have not.
        #expect(fires(entries) == [EntryCounter.keysMax + 4])
        var counter = EntryCounter()
        for key in 0..<(EntryCounter.keysMax + 5) {
            _ = counter.count(
                .init(time: 0, cursor: ""), key: Array("\(key)".utf8), for: Self.counting)
        }
        #expect(counter.forgotten == 5)
    }

    @Test("G4: however many entries each key has, memory is bounded")
    func entriesAreBounded() {
        let counting = JournalTrigger.Counting(count: 1_000, within: .seconds(60))
        var counter = EntryCounter()
        for key in 0..<UInt8(20) {
            for index in 0..<999 {
                let tally = counter.count(
                    .init(time: Int64(index), cursor: ""), key: [key], for: counting)
                #expect(tally == nil)
            }
        }
        #expect(counter.size <= EntryCounter.entriesMax)
        #expect(
            counter.count(.init(time: 999, cursor: ""), key: [19], for: counting) != nil,
            "the latest key is kept")
        #expect(
            counter.count(.init(time: 999, cursor: ""), key: [0], for: counting) == nil,
            "the oldest is not")
    }

    @Test("G4: a key of any length takes little") func keysAreCut() {
        let long = Array(repeating: UInt8(ascii: "k"), count: 1 << 16)
        var counter = EntryCounter()
        let counting = JournalTrigger.Counting(count: 2, within: .seconds(1))
        #expect(counter.count(.init(time: 0, cursor: ""), key: long, for: counting) == nil)
        let tally = counter.count(.init(time: 0, cursor: ""), key: long, for: counting)
        #expect(tally?.key.count == EntryCounter.keySizeMax)
    }
}
