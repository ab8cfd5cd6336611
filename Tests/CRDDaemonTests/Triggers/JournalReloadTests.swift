// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "G11: Journal triggers over a reload", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalReloadTests {
    private let noAuto = "auto-reload = false"

    private func send(_ messages: [String], to place: JournalWorld) throws {
        for message in messages { try place.box.send(["MESSAGE": message, "TEST": "yes"]) }
    }

    private func manifest(_ triggers: String..., more: String = "") -> String {
        "interval = 'off'\n\(more)\n" + triggers.map(JournalWorld.trigger).joined()
    }

    @Test("what was counted goes on where the trigger is the same, whatever else changes")
    func counters() async throws {
        let place = try await JournalWorld(more: noAuto)
        let counting = "match = { TEST = 'yes' }\ncount = 3\nwithin = '1h'"
        let log = try place.witness("Log", counting)
        let other = try place.witness("Other", counting)
        // An entry reaches all its modules before anything else happens.
        let each = try place.witness("Each", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        try await place.start()
        try send(["1", "2"], to: place)
        try await each.tells(["1", "2"])
        // A second trigger beside and before it; another module is left alone.
        try place.world.write(
            manifest("match = { TEST = 'no' }", counting), to: "modules/Log/module.toml")
        #expect(try await place.world.reload().output == "changed: Log\n")
        try send(["3"], to: place)
        try await log.tells(["3"])
        try await other.tells(["3"])
        // A trigger that changed counts anew.
        try send(["4", "5"], to: place)
        try await each.tells(["1", "2", "3", "4", "5"])
        try place.world.write(
            manifest(counting.replacing("1h", with: "2h")), to: "modules/Log/module.toml")
        #expect(try await place.world.reload().output == "changed: Log\n")
        try send(["6", "7"], to: place)
        try await other.tells(["3", "6"])
        try send(["8"], to: place)
        try await log.tells(["3", "8"])
    }

    @Test("a new module hears what is logged from then on, others all, and nobody twice")
    func newModule() async throws {
        let place = try await JournalWorld(more: noAuto)
        let log = try place.witness("Log", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        try await place.start()
        try send(["a", "b"], to: place)
        try await log.tells(["a", "b"])
        let late = try place.witness("Late", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        #expect(try await place.world.reload().output == "new: Late\n")
        try send(["c"], to: place)
        try await late.tells(["c"])
        try await log.tells(["a", "b", "c"])
        // Its place is stored from then on.
        try await place.world.stop(SIGKILL)
        try send(["d"], to: place)
        try await place.start()
        try await eventually("both hear of d") {
            try late.told.map(\.message).last == "d" && log.told.map(\.message).last == "d"
        }
        #expect(try log.told.map(\.message).filter { $0 == "a" }.count == 1)
        #expect(try !late.told.map(\.message).contains("a"))
    }

    @Test("the first journal trigger of all, and the last one, come and go")
    func firstAndLast() async throws {
        let place = try await JournalWorld(more: noAuto)
        try place.world.module("Plain", check: "exit 1")
        try await place.start()
        #expect(try place.world.list().daemon?.journalWake == nil)
        let log = try place.witness("Log", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        try await place.world.reload()
        try send(["a"], to: place)
        try await log.tells(["a"])
        #expect(try place.world.list().daemon?.journalWake != nil)
        try place.world.write("interval = 'off'\n", to: "modules/Log/module.toml")
        try await place.world.reload()
        #expect(try place.world.list().daemon?.journalWake == nil)
        try send(["b"], to: place)
        try place.world.write(
            manifest("match = { TEST = 'yes' }"), to: "modules/Log/module.toml")
        try await place.world.reload()
        try send(["c"], to: place)
        try await log.tells(["a", "c"])
    }

    @Test("a module that is mended is told of what it missed, and nobody else once more")
    func mended() async throws {
        let place = try await JournalWorld(more: noAuto)
        let counting = "match = { TEST = 'yes' }\ncount = 2\nwithin = '1h'"
        let broken = try place.witness(
            "Broken", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        let steady = try place.witness("Steady", counting)
        try await place.start()
        try send(["1"], to: place)
        try await broken.tells(["1"])
        try await place.world.stop()
        let good = try String(
            contentsOfFile: "\(place.world.directory)/modules/Broken/module.toml", encoding: .utf8)
        try place.world.write("intervall = 1\n", to: "modules/Broken/module.toml")
        try await place.start()
        try send(["2", "3"], to: place)
        try await steady.tells(["2"])
        try place.world.write(good, to: "modules/Broken/module.toml")
        #expect(try await place.world.reload().output == "changed: Broken\n")
        try await eventually("it is told") {
            try Set(broken.told.map(\.message)) == ["1", "2", "3"]
        }
        // It has counted "3" once.
        try send(["4"], to: place)
        try await steady.tells(["2", "4"])
        try await broken.tells(["1", "2", "3", "4"])
    }

    @Test("no entry is missed or told twice while modules change all the time")
    func storm() async throws {
        let place = try await JournalWorld(more: noAuto)
        let log = try place.witness("Log", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        let other = try place.witness("Other", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        try await place.start()
        for round in 1...20 {
            try send((1...10).map { "\(round).\($0)" }, to: place)
            try place.world.write(
                manifest(
                    "match = { TEST = 'yes' }", "match = { TEST = '\(round)' }",
                    more: "cooldown = '0s'"), to: "modules/Log/module.toml")
            #expect(try await place.world.reload().code == 0)
        }
        let all = (1...20).flatMap { round in (1...10).map { "\(round).\($0)" } }
        try await log.tells(all)
        try await other.tells(all)
    }

    @Test("G14: an entry that takes long is finished before it, and holds nothing up")
    func costlyEntry() async throws {
        let place = try await JournalWorld(more: noAuto)
        let count = 256
        let costly = (0..<count).map {
            "match = { TEST = 'evil' }\npattern = '^(a|a)+(?:Y|Z\($0))$'\ncount = 9\nwithin = '1h'"
        }
        try place.world.module(
            "Costly", check: "exit 1",
            manifest: "interval = 'off'\n" + costly.map(JournalWorld.trigger).joined())
        let log = try place.witness("Log", "match = { TEST = 'evil' }", more: "cooldown = '0s'")
        let daemon = try await place.start()
        let line = String(repeating: "a", count: 60)
        func exceeded() throws -> Int {
            try #require(try place.world.list().daemon?.patternsExceeded)
        }
        // Does not give up its thread, which another test might keep for longer than an entry takes.
        func wait(for what: String, until isSo: () throws -> Bool) throws {
            let end = ContinuousClock.now + patience
            while try !isSo() {
                guard ContinuousClock.now < end else { throw Trouble("waited in vain: \(what)") }
                usleep(1_000)
            }
        }
        var sent = 0
        var within: Set<Int> = []
        // The question may come late, so the reload is repeated as often as needed.
        for reload in 1...20 where within.count < 5 {
            let before = sent * count
            for _ in 0..<2 { try place.box.send(["MESSAGE": line, "TEST": "evil"]) }
            sent += 2
            try wait(for: "the entry is read") { try exceeded() > before }
            daemon.send(SIGHUP)
            // Each answer is given between two turns.
            within = []
            try wait(for: "it is read again") {
                let now = try exceeded()
                if now < before + count { within.insert(now) }
                return place.said("reloaded: ") == reload
            }
            try await eventually("both entries are read") { try exceeded() == sent * count }
        }
        #expect(within.count >= 5, "\(within.sorted())")
        try await log.tells(Array(repeating: line, count: sent))
    }

    @Test("how entries are noticed can be changed") func wake() async throws {
        let place = try await JournalWorld(more: "\(noAuto)\njournal-wake = '50ms'")
        let log = try place.witness("Log", "match = { TEST = 'yes' }", more: "cooldown = '0s'")
        try await place.start()
        #expect(try place.world.list().daemon?.journalWake == "every 50ms")
        let conf = try String(contentsOfFile: place.world.configuration, encoding: .utf8)
        for (wake, shown) in [("notify", "notify"), ("20ms", "every 20ms")] {
            try place.world.write(
                conf.replacing("journal-wake = '50ms'", with: "journal-wake = '\(wake)'"),
                to: "crd.conf")
            #expect(try await place.world.reload().output == "crd.conf has changed\n")
            #expect(try place.world.list().daemon?.journalWake == shown)
            try send([wake], to: place)
            try await eventually("\(wake)") { try log.told.last?.message == wake }
        }
    }
}
