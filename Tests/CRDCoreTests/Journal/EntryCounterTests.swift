// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import CRDCore

@Suite("Counting journal entries")
struct EntryCounterTests {
    private static let counting = JournalTrigger.Counting(count: 3, within: .seconds(60))

    /// Returns the indices of the entries that make a count full.
    private func fires(
        _ entries: [(key: String, second: Int64)],
        _ counting: JournalTrigger.Counting = counting
    ) -> [Int] {
        var counter = EntryCounter()
        return entries.indices.filter { index in
            let (key, second) = entries[index]
            let entry = EntryCounter.Noted(time: second * 1_000_000, cursor: "\(index)")
            let isForeseen = counter.isCompleted(by: entry, key: EntryKey(key.utf8), for: counting)
            let isFull = counter.count(entry, key: EntryKey(key.utf8), for: counting) != nil
            #expect(isForeseen == isFull)
            return isFull
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
                .init(time: Int64(index), cursor: "c\(index)"), key: EntryKey([7]), for: counting)
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
        // One entry of key 0 was forgotten, those of key 2 were not.
        #expect(fires(entries) == [EntryCounter.keysMax + 4])
        var counter = EntryCounter()
        for key in 0..<(EntryCounter.keysMax + 5) {
            _ = counter.count(
                .init(time: 0, cursor: ""), key: EntryKey("\(key)".utf8), for: Self.counting)
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
                    .init(time: Int64(index), cursor: ""), key: EntryKey([key]), for: counting)
                #expect(tally == nil)
            }
        }
        #expect(counter.size <= EntryCounter.entriesMax)
        #expect(
            counter.count(.init(time: 999, cursor: ""), key: EntryKey([19]), for: counting)
                != nil,
            "the latest key is kept")
        #expect(
            counter.count(.init(time: 999, cursor: ""), key: EntryKey([0]), for: counting)
                == nil,
            "the oldest is not")
    }

    @Test("G15: keys whose time is over are not kept, nor stored, for ever")
    func keysExpire() {
        var counter = EntryCounter()
        func count(_ key: String, second: Int64) {
            let entry = EntryCounter.Noted(
                time: second * 1_000_000, cursor: "", boot: "b", monotonic: second * 1_000_000)
            _ = counter.count(entry, key: EntryKey(key.utf8), for: Self.counting)
        }
        for key in 0..<100 { count("\(key)", second: 1) }
        count("late", second: 50)
        count("later", second: 61)
        #expect(counter.keyCount == 102 && counter.size == 102)
        count("later", second: 62)
        #expect(counter.keyCount == 2 && counter.size == 3 && counter.forgotten == 0)
    }

    @Test("G15: a key that is counted over and over leaves nothing behind")
    func turns() throws {
        var counter = EntryCounter()
        let counting = JournalTrigger.Counting(count: 2, within: .seconds(60))
        for index in 0..<(5 * EntryCounter.keysMax) {
            let entry = EntryCounter.Noted(time: Int64(index), cursor: "")
            _ = counter.count(entry, key: EntryKey([1]), for: counting)
        }
        #expect(counter.keyCount <= 1)
        let copy = try JSONDecoder().decode(EntryCounter.self, from: Data(counter.json))
        #expect(copy == counter)
    }

    @Test("G15: all counters of a module together have the room of one")
    func countersOfOneModule() throws {
        let counting = JournalTrigger.Counting(count: 2, within: .seconds(60), by: .field("K"))
        let triggers = (0..<5).map { JournalTrigger(pattern: "\($0)", counting: counting) }
        let start = JournalPosition(cursor: "", time: 0, order: 0)
        var progress = JournalProgress(triggers, from: JournalRecord(position: start))
        for index in 0..<(2 * EntryCounter.keysMax) {
            var fields = JournalFields()
            Array("K=\(index)".utf8).withUnsafeBytes { fields.append($0) }
            let entry = JournalEntry(
                position: start, fields: fields, readAt: Instant(nanoseconds: 0))
            let match = JournalMatch(trigger: index % 5, entry: entry)
            #expect(progress.count(match) == nil)
        }
        let record = try #require(progress.record(start))
        let count = record.counters.reduce(0) { $0 + $1.counter.keyCount }
        #expect(count == EntryCounter.keysMax)
        #expect(
            progress.passForgottenKeys(at: Instant(nanoseconds: 0)) == EntryCounter.keysMax)
    }

    @Test("G4: a key of any length takes little, and differs by every byte of it")
    func longKeys() {
        let long = Array(repeating: UInt8(ascii: "k"), count: 1 << 16)
        var counter = EntryCounter()
        let counting = JournalTrigger.Counting(count: 2, within: .seconds(1))
        func count(_ key: [UInt8]) -> EntryCounter.Tally? {
            counter.count(.init(time: 0, cursor: ""), key: EntryKey(key), for: counting)
        }
        for size in [255, 256, 257, long.count] {
            let key = long.prefix(size)
            #expect(count(key + [1]) == nil)
            #expect(count(key + [2]) == nil)
        }
        let tally = count(long + [1])
        #expect(tally?.key == Array(long.prefix(EntryKey.shownMax)))
        #expect(EntryKey(long).digest?.count == 32)
    }

    @Test("entries without the field or group are counted together, apart from an empty one")
    func missing() {
        var counter = EntryCounter()
        let counting = JournalTrigger.Counting(count: 2, within: .seconds(1))
        let keys: [EntryKey] = [.missing, EntryKey([]), .missing, EntryKey([])]
        let fires = keys.map {
            counter.count(.init(time: 0, cursor: ""), key: $0, for: counting)?.key
        }
        #expect(fires == [nil, nil, [], []])
    }

    @Test(
        "within a boot the time since that tells, where the clock was set",
        arguments: [
            // Real and monotonic seconds of three entries; seconds asleep; whether all three fall
            // in a minute.
            ([(0, 100), (1, 101), (2, 102)], 0, true),
            ([(0, 100), (1, 101), (62, 162)], 0, false),
            // Set forward by an hour, and back.
            ([(0, 100), (1, 101), (3_602, 102)], 0, true),
            ([(3_600, 100), (1, 101), (2, 102)], 0, true),
            ([(3_600, 100), (1, 170), (2, 171)], 0, false),
            // It slept for an hour, during which only one of the clocks ran.
            ([(0, 100), (1, 101), (3_602, 102)], 3_600, false),
            // It slept for five seconds, and was set forward by an hour.
            ([(0, 100), (1, 101), (3_602, 102)], 5, true),
        ] as [([(Int64, Int64)], Int64, Bool)])
    func clockSet(entries: [(Int64, Int64)], slept: Int64, isFull: Bool) {
        for boots in [["a", "a", "a"], ["a", "b", "c"]] {
            var counter = EntryCounter()
            let fires = zip(entries, boots).map { entry, boot in
                let noted = EntryCounter.Noted(
                    time: entry.0 * 1_000_000, cursor: "", boot: boot,
                    monotonic: entry.1 * 1_000_000)
                return counter.count(
                    noted, key: .missing, for: Self.counting, slept: slept * 1_000_000) != nil
            }
            let real = entries.map(\.0)
            let isFullByCalendar = abs(real[2] - real[0]) <= 60 && abs(real[2] - real[1]) <= 60
            #expect(fires == [false, false, boots[0] == boots[1] ? isFull : isFullByCalendar])
        }
    }

    @Test("reads back what was stored before boots were") func formerRecord() throws {
        let text = """
            {"windows":[{"key":[97],"entries":[{"time":1,"cursor":"c"}]}],"size":1,"forgotten":0}
            """
        var counter = try JSONDecoder().decode(EntryCounter.self, from: Data(text.utf8))
        let tally = counter.count(
            .init(time: 2, cursor: "d", boot: "b", monotonic: 2), key: EntryKey("a".utf8),
            for: .init(count: 2, within: .seconds(1)))
        #expect(tally?.entries.map(\.cursor) == ["c", "d"])
    }

    @Test(
        "SHA-256 is that of FIPS 180-4",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ])
    func digest(text: String, expected: String) {
        let digest = SHA256.digest(text.utf8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        #expect(digest.joined() == expected)
    }

    @Test("values are told apart by all of them, and very long ones by their ends and their length")
    func veryLongKeys() {
        let long = [UInt8](repeating: 7, count: 3 << 20)
        func changed(at index: Int) -> EntryKey {
            var other = long
            other[index] = 8
            return EntryKey(other)
        }
        #expect(
            changed(at: 300) != EntryKey(long) && changed(at: long.count - 300) != EntryKey(long))
        #expect(EntryKey(long.dropLast()) != EntryKey(long))
        #expect(changed(at: long.count / 2) == EntryKey(long), "that bounds the work")
        #expect(EntryKey(long.prefix(1_000)) != EntryKey(long.prefix(1_001)))
    }
}
