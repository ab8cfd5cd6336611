// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "A hostile line of the journal", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalPatternTests {
    private static let line = String(repeating: "a", count: 65_535) + "b"

    @Test("counts as a match, is logged once, and holds nothing up")
    func exceeded() async throws {
        let place = try await JournalWorld()
        let world = place.world
        let log = try place.witness("Log", "match = { TEST = 'evil' }\npattern = '(a+)+$'")
        let good = try place.witness("Good", "pattern = '^good$'")
        let data = try world.makeDirectory("data")
        let path = try Witness(
            "Path", in: world, manifest: PathTests.trigger(data, "events = ['create']"))
        try await place.start()
        try await path.runs(1)
        for index in 0..<10 {
            try place.box.send(["MESSAGE": Self.line, "TEST": "evil"])
            if index == 5 { try PathTests.create("\(data)/file") }
        }
        try place.box.send(["MESSAGE": "good"])
        try await path.runs(2)
        try await good.tells(["good"])
        try await log.tells(Array(repeating: Self.line, count: 10))
        #expect(try log.told.allSatisfy { $0.known.exceeded == true && $0.known.captures.isEmpty })
        #expect(try log.told.allSatisfy { $0.known.truncated == nil })
        #expect(try world.list().daemon?.patternsExceeded == 10)
        let outcome = try await world.crd(["list", "--json"])
        #expect(outcome.output.contains("\"patternsExceeded\" : 10"))
        let lines = world.lines.filter { $0.contains("was aborted") }
        #expect(lines.count == 1)
        let start =
            "crd: warning: Log: the pattern (a+)+$ was aborted at its limit for a line of the "
            + "journal: "
        #expect(lines.first?.hasPrefix(start) == true, "\(lines)")
    }

    @Test("G15: suspends its pattern when others follow: then all lines count as matches")
    func suspended() async throws {
        let place = try await JournalWorld()
        let world = place.world
        let keys = "match = { TEST = 'evil' }\npattern = '^(a+)+$'"
        let log = try place.witness("Log", keys)
        let same = try place.witness("Same", keys)
        let good = try place.witness("Good", "pattern = '^good$'")
        try await place.start()
        // The pattern decides at once what it can.
        try place.box.send(["MESSAGE": "b", "TEST": "evil"])
        try place.box.send(["MESSAGE": "aaa", "TEST": "evil"])
        try await log.tells(["aaa"])
        let line = String(repeating: "a", count: 60) + "b"
        for _ in 0..<500 { try place.box.send(["MESSAGE": line, "TEST": "evil"]) }
        try place.box.send(["MESSAGE": "good"])
        try await good.tells(["good"])
        try place.box.send(["MESSAGE": "b", "TEST": "evil"])
        for witness in [log, same] {
            try await eventually("nothing is missed") { try witness.told.count == 502 }
            let last = try witness.told.last
            #expect(last?.message == "b" && last?.known.exceeded == true)
        }
        let lines = world.lines.filter { $0.contains("it is not run for 1min") }
        #expect(lines.count == 1, "\(lines)")
        let start = "crd: warning: Log, Same: the pattern ^(a+)+$ exceeded its limit on 3 lines "
        #expect(lines.first?.hasPrefix(start) == true, "\(lines)")
        #expect(world.lines.filter { $0.contains("was aborted") }.count == 1)
    }

    @Test("G15: is not copied for each of its pattern's groups, apart from the one that counts")
    func nestedGroups() async throws {
        let place = try await JournalWorld()
        let names = (0..<40).map { "g\($0)" }
        let begin = names.map { "(?<\($0)>" }.joined()
        let pattern = "^\(begin).*\(String(repeating: ")", count: names.count))$"
        let keys = "match = { TEST = 'long' }\npattern = '\(pattern)'\n"
        let log = try place.witness("Log", keys)
        let counting = try place.witness(
            "Counting", "\(keys)count = 2\nwithin = '1h'\nby = 'g39'")
        try await place.start()
        let long = String(repeating: "é", count: 20_000)
        for _ in 0..<2 { try place.box.send(["MESSAGE": long, "TEST": "long"]) }
        try await eventually("they are told") {
            try log.told.count == 2 && counting.told.count == 1
        }
        for (event, whole) in try log.told.map({ ($0, ["g0"]) })
            + counting.told.map({ ($0, ["g0", "g39"]) })
        {
            for name in whole { #expect(event.known.captures[name]?.bytes.count == 40_000) }
            let size = event.known.captures.values.reduce(0) { $0 + $1.bytes.count }
            #expect(size <= (whole.count == 1 ? 65_536 : 65_536 + 40_000))
            #expect(event.known.truncated?.contains("g1") == true)
            #expect(event.known.truncated?.contains("g39") == (whole.count == 1))
            // No character is cut in the middle.
            #expect(event.known.captures["g1"]?.isText == true)
        }
    }

    @Test("G15: cannot hide: neither by a byte that is not UTF-8 nor by 64 KiB in front")
    func hidden() async throws {
        let place = try await JournalWorld()
        let world = place.world
        let log = try place.witness(
            "Log", "match = { TEST = 'sly' }\npattern = '^login of (?<who>.*) failed$'")
        try await place.start()
        func send(_ name: [UInt8]) throws {
            let message = Array("login of ".utf8) + name + Array(" failed".utf8)
            try place.box.send(bytes: [("TEST", Array("sly".utf8)), ("MESSAGE", message)])
        }
        try send([0x6D, 0xFF, 0x65])
        try await eventually("the odd byte is told") { try log.told.count == 1 }
        let first = try log.told[0].known
        #expect(first.captures["who"]?.bytes == [0x6D, 0xFF, 0x65])
        #expect(first.exceeded == nil)
        try send(Array(repeating: 0x6D, count: 1 << 16))
        try await eventually("the long line is told") { try log.told.count == 2 }
        let second = try log.told[1].known
        #expect(second.exceeded == true && second.truncated == ["MESSAGE"])
        #expect(second.captures.isEmpty)
        try await eventually("the log says so") {
            place.said("was matched against the first 64KiB of a longer line") == 1
        }
        #expect(try world.list().daemon?.patternsExceeded == 1)
        // A line within the limits matches as always.
        try place.box.send(["MESSAGE": "login of me succeeded", "TEST": "sly"])
        try place.box.send(["MESSAGE": "login of you failed", "TEST": "sly"])
        try await eventually("the last is told") { try log.told.count == 3 }
        #expect(try log.told[2].message == "login of you failed")
    }

    @Test("is counted with those that match")
    func counted() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "pattern = '(?<run>(a+)+)$'\ncount = 2\nwithin = '1h'\nby = 'run'")
        try await place.start()
        for _ in 0..<2 { try place.box.send(["MESSAGE": Self.line]) }
        try await log.tells([Self.line])
        let event = try log.told[0].known
        #expect(event.exceeded == true && event.count == 2 && event.key?.text == "")
    }
}
