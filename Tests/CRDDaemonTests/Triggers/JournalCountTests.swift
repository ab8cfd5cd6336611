// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "Journal entries that are counted", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalCountTests {
    @Test("are one event when there are enough of them, apart by field")
    func byField() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "match = { TEST = 'yes' }\ncount = 3\nwithin = '1h'\nby = 'WHO'")
        try await place.start()
        func send(_ message: String, _ who: String) throws {
            try place.box.send(["MESSAGE": message, "TEST": "yes", "WHO": who])
        }
        for (message, who) in [("1", "a"), ("2", "b"), ("3", "a"), ("4", "b"), ("5", "a")] {
            try send(message, who)
        }
        try await log.tells(["5"])
        let event = try log.told[0].known
        #expect(event.key?.text == "a" && event.count == 3)
        let entries = try await place.box.entries().filter { $0["TEST"] != nil }
        let cursors = entries.compactMap { $0["__CURSOR"] as? String }
        #expect(event.entries?.map(\.cursor) == [cursors[0], cursors[2], cursors[4]])
        #expect(event.entries?.last?.time == event.time)
        #expect(log.runs[0].message == Array("5".utf8))

        // Key "a" counts anew; the other goes on.
        try send("6", "a")
        try send("7", "a")
        try send("8", "b")
        try await log.tells(["5", "8"])
        #expect(try log.told[1].known.key?.text == "b")
        try send("9", "a")
        try await log.tells(["5", "8", "9"])
        #expect(try log.told[2].known.key?.text == "a")
    }

    @Test("are counted apart by values of any length, and together where they have none")
    func longValues() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "match = { TEST = 'yes' }\ncount = 2\nwithin = '1h'\nby = 'WHO'")
        try await place.start()
        let sizes = [255, 256, 257, 70_000, 300_000]
        for end in ["a", "b", "a"] {
            for size in sizes {
                let value = String(repeating: "x", count: size) + end
                try place.box.send(["MESSAGE": "\(size)\(end)", "TEST": "yes", "WHO": value])
            }
            try place.box.send(["MESSAGE": "none", "TEST": "yes"])
        }
        // Two of the three without the field make one event.
        let expected = ["none"] + sizes.map { "\($0)a" }
        try await eventually("they are told") { try log.told.count >= expected.count }
        #expect(try Set(log.told.map(\.message)) == Set(expected))
        #expect(try log.told.count == expected.count)
    }

    @Test("are counted apart by what a group of the pattern took")
    func byCapture() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log",
            "pattern = '^worker (?<worker>\\w+) died'\ncount = 2\nwithin = 3600\nby = 'worker'")
        let all = try place.witness(
            "All", "pattern = '^worker (?<worker>\\w+) died'\ncount = 4\nwithin = '1h'")
        try await place.start()
        for (index, who) in ["x", "y", "z", "y", "x"].enumerated() {
            try place.box.send(["MESSAGE": "worker \(who) died, \(index)"])
        }
        try await log.tells(["worker y died, 3", "worker x died, 4"])
        #expect(try log.told.map(\.known.key?.text) == ["y", "x"])
        #expect(log.runs.last?.captures["worker"] == Array("x".utf8))
        try await all.tells(["worker y died, 3"])
        #expect(try all.told[0].known.key?.text == "")
        #expect(try all.told[0].known.count == 4)
    }

    @Test("count for no longer than the window, by their own time")
    func window() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "match = { TEST = 'yes' }\ncount = 3\nwithin = '2s'")
        try await place.start()
        func send(_ message: String) throws {
            try place.box.send(["MESSAGE": message, "TEST": "yes"])
        }
        try send("1")
        try send("2")
        try await Task.sleep(for: .milliseconds(2_300))
        for index in 3...5 { try send("\(index)") }
        try await log.tells(["5"])
        #expect(try log.told[0].known.entries?.count == 3)
        try await log.expectNoMoreRuns(for: .milliseconds(300))
    }

    /// A module's stored place in the journal, and its stored counters.
    private func record(of module: String, in place: JournalWorld) throws -> String {
        let file = URL(fileURLWithPath: "\(place.world.directory)/state/daemon/journal.json")
        let contents = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        let records = (contents as? [String: Any])?["records"] as? [String: Any]
        return "\(records?[module] ?? "")"
    }

    @Test(
        "G8: are counted on by the next daemon, however this one ends",
        arguments: [SIGTERM, SIGKILL], [false, true])
    func restart(signal: CInt, isStored: Bool) async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "match = { TEST = 'yes' }\ncount = 3\nwithin = '1h'\nby = 'WHO'")
        try await place.start()
        for (message, who) in [("1", "a"), ("2", "b"), ("3", "a"), ("4", "a"), ("5", "a")] {
            try place.box.send(["MESSAGE": message, "TEST": "yes", "WHO": who])
        }
        try await log.tells(["4"])
        try await log.state("idle")
        // With a stored record of the counts, or with only the place to count from.
        if isStored {
            let last = try await place.box.entries().last { $0["MESSAGE"] as? String == "5" }
            let cursor = try #require(last?["__CURSOR"] as? String)
            try await eventually("the fifth is stored as counted") {
                try record(of: "Log", in: place).contains(cursor)
            }
        }
        try await place.world.stop(signal)
        try place.box.send(["MESSAGE": "6", "TEST": "yes", "WHO": "a"])
        try await place.start()
        try place.box.send(["MESSAGE": "7", "TEST": "yes", "WHO": "a"])
        // A check whose end was not stored is repeated.
        let expected = ["7"]
        try await eventually("the third of them is told") {
            try log.told.contains { $0.message == "7" }
        }
        let told = try log.told
        #expect(told.dropFirst().filter { $0.message != "4" }.map(\.message) == expected)
        #expect(told.last?.known.count == 3 && told.last?.known.key?.text == "a")
        let cursors = try await place.box.entries().filter { $0["TEST"] != nil }
            .compactMap { $0["__CURSOR"] as? String }
        #expect(told.last?.known.entries?.map(\.cursor) == [cursors[4], cursors[5], cursors[6]])
        if isStored || signal == SIGTERM { #expect(told.count == 2) }
        try await log.expectNoMoreRuns(for: .milliseconds(300))
    }
}
