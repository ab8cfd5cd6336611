// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "New journal entries are noticed", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalWakeTests {
    private static let bell = "journal wake-up: doorbell"

    /// Measures the seconds by wall clock from sending an entry to the start of its check.
    private final class Stopwatch {
        let place: JournalWorld
        private var sent: [Double] = []

        init(_ place: JournalWorld) throws {
            self.place = place
            try place.world.module(
                "Watch", check: "date +%s.%N >>'\(place.world.notes)/times'",
                manifest: "interval = 'off'\n" + JournalWorld.trigger("match = { TEST = 'yes' }"))
            // Makes the daemon look at every entry.
            _ = try place.witness("Nothing", "pattern = '^nothing$'")
        }

        func send(_ others: Stopwatch...) async throws {
            let now = Date.now.timeIntervalSince1970
            for watch in [self] + others { watch.sent.append(now) }
            try place.box.send(["MESSAGE": "now", "TEST": "yes"])
            for watch in [self] + others {
                try await eventually("it is noticed") { watch.times.count == watch.sent.count }
            }
        }

        private var times: [Double] { place.world.notedLines("times").compactMap { Double($0) } }

        var delays: [Double] { zip(times, sent).map { $0 - $1 } }
    }

    @Test(
        "by the doorbell, far sooner than journald announces them",
        .enabled(if: Surroundings.hasPerfEvents, "\(Surroundings.needsPerfEvents)"),
        arguments: [0, 200])
    func doorbell(afterStormOf count: Int) async throws {
        let place = try await JournalWorld()
        let announced = try JournalWorld(place.box, more: "journal-wake = 'notify'")
        let (watch, other) = (try Stopwatch(place), try Stopwatch(announced))
        try await place.start()
        try await announced.start()
        let outcome = try await place.world.crd(["list", "--json"])
        #expect(outcome.output.contains(#"  "journalWake" : "doorbell""#), "\(outcome.output)")
        #expect(place.said(Self.bell) == 1)
        #expect(try announced.world.list().daemon?.journalWake == "notify")
        #expect(announced.said("journal wake-up: notify") == 1)
        // Without the bell, the same announcement tells both. On a busy machine the checks may
        // begin late, whatever the daemons know.
        var sooner = 0
        for _ in 0..<50 where sooner < 4 {
            // journald is idle, and no cooldown is left.
            try await Task.sleep(for: .milliseconds(700))
            for index in 0..<count { try place.box.send(["MESSAGE": "\(index)"]) }
            if count > 0 { try await Task.sleep(for: .milliseconds(50)) }
            try await watch.send(other)
            sooner = zip(watch.delays, other.delays).count { $0 * 2 < $1 }
        }
        #expect(sooner == 4, "\(watch.delays), \(other.delays)")
    }

    @Test(
        "with no look at the journal while nothing is logged",
        .enabled(if: Surroundings.hasPerfEvents, "\(Surroundings.needsPerfEvents)"))
    func idle() async throws {
        // All tests share the directory above the modules', so something always happens in it.
        let place = try await JournalWorld(more: "auto-reload = false")
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        let daemon = try await place.start()
        try place.box.send(["MESSAGE": "1", "TEST": "yes"])
        try await log.tells(["1"])
        try await log.state("idle")
        func switches() -> Int {
            Processes.status(daemon.pid, "voluntary_ctxt_switches").flatMap { Int($0) } ?? -1
        }
        // journald still has its announcement to make, and the daemon something to store. Polling every
        // 20 ms would be a hundred each time; a busy machine may make it wait now and then.
        try await eventually("two seconds pass without a look") {
            let before = switches()
            try await Task.sleep(for: .seconds(2))
            return before > 0 && switches() - before <= 10
        }
        try place.box.send(["MESSAGE": "2", "TEST": "yes"])
        try await log.tells(["1", "2"])
    }

    @Test(
        "when journald has been started again, too", arguments: [SIGTERM, SIGKILL],
        ["auto", "notify", "10ms"])
    func journaldRestarted(signal: CInt, wake: String) async throws {
        let place = try await JournalWorld(more: "journal-wake = '\(wake)'")
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        try await place.start()
        let name = try place.world.list().daemon?.journalWake
        for index in 0..<3 {
            try place.box.send(["MESSAGE": "\(2 * index)", "TEST": "yes"])
            try await log.tells((0...2 * index).map { "\($0)" })
            try await place.box.restart(signal)
            // Mostly before the bell is in place again.
            try place.box.send(["MESSAGE": "\(2 * index + 1)", "TEST": "yes"])
            try await log.tells((0...2 * index + 1).map { "\($0)" })
            try await eventually("it is as it was") {
                try place.world.list().daemon?.journalWake == name
            }
            guard name == "doorbell" else { continue }
            let pid = try #require(place.box.journald?.pid)
            #expect(place.said("the doorbell is attached to journald, process \(pid)") == 1)
        }
        #expect(try place.world.listed("Log").state != "degraded")
        #expect(place.said("warning") == 0 && place.said("error") == 0, "\(place.world.lines)")
    }

    @Test("as often as crd.conf says", arguments: ["5ms", "1s"])
    func period(period: String) async throws {
        let place = try await JournalWorld(more: "journal-wake = '\(period)'")
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        try await place.start()
        #expect(try place.world.list().daemon?.journalWake == "every \(period)")
        #expect(place.said("journal wake-up: every \(period)") == 1)
        #expect(place.said("doorbell") == 0)
        for index in 0..<3 {
            try place.box.send(["MESSAGE": "\(index)", "TEST": "yes"])
            try await log.tells((0...index).map { "\($0)" })
        }
    }

    @Test("not at all where nobody waits for any")
    func nobody() async throws {
        let place = try await JournalWorld()
        try place.world.module("Timed", check: "exit 1")
        let daemon = try await place.start()
        #expect(try place.world.list().daemon?.journalWake == nil)
        #expect(place.said("journal wake-up") == 0)
        let descriptors = Processes.descriptors(of: daemon.pid).values
        #expect(!descriptors.contains { $0.contains("perf_event") || $0.contains("/journal/") })
    }

    @Test(
        "every 20 ms by a daemon that may read them and no more, which says so once",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func unprivileged() async throws {
        let place = try await JournalWorld()
        let group = 54_321
        for name in ["state", "run"] {
            chown(try place.world.makeDirectory(name), 65534, 65534)
        }
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        try await place.box.run(
            "chgrp -R \(group) /run/log/journal; chmod -R g+rX /run/log/journal")
        try await place.start([
            Surroundings.asNobody[0], "--reuid=65534", "--regid=65534", "--groups=\(group)",
        ])
        #expect(try place.world.list().daemon?.journalWake == "every 20ms")
        #expect(place.said("journal wake-up: every 20ms") == 1)
        for index in 0..<5 {
            try place.box.send(["MESSAGE": "\(index)", "TEST": "yes"])
            try await log.tells((0...index).map { "\($0)" })
        }
        try await place.box.restart()
        try await place.box.run(
            "chgrp -R \(group) /run/log/journal; chmod -R g+rX /run/log/journal")
        try place.box.send(["MESSAGE": "5", "TEST": "yes"])
        try await log.tells((0...5).map { "\($0)" })
        try await Task.sleep(for: .seconds(1))
        let lines = place.world.lines.filter { $0.contains("CAP_PERFMON") }
        #expect(lines.count == 1, "\(place.world.lines)")
        #expect(lines.first?.hasPrefix("crd: ") == true)
        #expect(lines.first?.contains("every 20ms") == true)
        #expect(place.said("crd: warning") == 0 && place.said("crd: error") == 0)
    }
}
