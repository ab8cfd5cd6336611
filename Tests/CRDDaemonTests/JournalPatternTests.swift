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
        let lines = world.lines.filter { $0.contains("was given up") }
        #expect(lines.count == 1)
        let start = "crd: warning: Log: the pattern (a+)+$ was given up for a line of the journal: "
        #expect(lines.first?.hasPrefix(start) == true, "\(lines)")
        // What can be told at once is.
        try place.box.send(["MESSAGE": "aaa", "TEST": "evil"])
        try await eventually("an honest one is told") { try log.told.count == 11 }
        #expect(try log.told.last?.known.exceeded == nil)
        #expect(try world.list().daemon?.patternsExceeded == 10)
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
