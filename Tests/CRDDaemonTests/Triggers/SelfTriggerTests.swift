// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The real daemon, and what its modules do to themselves.
@Suite("G10: Modules that trigger themselves", .takesTurns)
struct SelfTriggerTests {
    /// Waits for the line that says so.
    private func isNoticed(_ name: String, in world: World) async throws -> String {
        try await eventually("it is noticed") {
            world.lines.contains { $0.contains("\(name): seems to trigger itself") }
        }
        return world.lines.first { $0.contains("seems to trigger itself") } ?? ""
    }

    @Test("a check that reads what it watches is noticed, and still answers others")
    func access() async throws {
        let world = try World()
        let file = try world.write("content\n", to: "file")
        try world.module(
            "Reader", check: "cat '\(file)' >/dev/null; echo run >>'\(world.notes)/Reader'; exit 1",
            manifest: PathTests.trigger(file, "events = ['access']"))
        try await world.start()
        let line = try await isNoticed("Reader", in: world)
        #expect(line.contains("most recently path '\(file)'"), "\(line)")
        #expect(line.contains("leave \"access\""), "\(line)")
        // Its own reads are answered later and later; somebody else's are answered each time.
        for _ in 0..<3 {
            let before = world.notedLines("Reader").count
            _ = try String(contentsOfFile: file, encoding: .utf8)
            try await eventually("it is checked") { world.notedLines("Reader").count > before }
        }
        #expect(world.lines.count { $0.contains("seems to trigger itself") } == 1)
    }

    @Test("a response that logs what its check waits for is noticed")
    func logger() async throws {
        guard Surroundings.isInRootCgroup, Surroundings.find("logger") != nil else { return }
        let place = try await JournalWorld()
        try place.world.module(
            "Talker", check: "exit 0", response: "logger 'answered OOPS'",
            manifest: "interval = 'off'\n" + JournalWorld.trigger("pattern = 'OOPS'"))
        try await place.start()
        try place.box.send(["MESSAGE": "OOPS from outside"])
        let line = try await isNoticed("Talker", in: place.world)
        #expect(line.contains("most recently journal 'answered OOPS'"), "\(line)")
        #expect(line.contains("have it print"), "\(line)")
    }
}
