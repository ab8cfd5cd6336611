// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The real daemon and the real kernel.
@Suite("Signal triggers", .takesTurns)
struct SignalTriggerTests {
    /// A line of `CRD_EVENTS`, spelled out again here: modules rely on it.
    private struct SignalEvent: Decodable, Equatable {
        var trigger: String
        var signal: String
        var pid: Int32
        var uid: UInt32
        var value: Int32?
    }

    private func events(_ witness: Witness) throws -> [SignalEvent] {
        try witness.runs.flatMap(\.lines).map {
            try JSONDecoder().decode(SignalEvent.self, from: Data($0.utf8))
        }
    }

    private func witness(
        _ name: String, _ signal: String, in world: World, _ keys: String = "",
        before: String = ":"
    ) throws -> Witness {
        try Witness(
            name, in: world,
            manifest: """
                interval = "off"
                cooldown = "0s"
                \(keys)
                [[trigger.signal]]
                signal = "\(signal)"
                """,
            before: "printf '%s\\n' \"$CRD_SIGNAL\" >>'\(world.notes)/\(name).signal'; \(before)")
    }

    private func queue(_ signal: CInt, _ value: Int32, to daemon: Program) {
        sigqueue(daemon.pid, signal, sigval(sival_int: value))
    }

    @Test("have the check run at once, with who sent what") func sent() async throws {
        let world = try World()
        let user = try witness("User", "USR1", in: world)
        let twin = try witness("Twin", "SIGUSR1", in: world)
        let realTime = try witness("RealTime", "RTMAX-0", in: world)
        let daemon = try await world.start()
        daemon.send(SIGUSR1)
        try await user.runs(1)
        try await twin.runs(1)
        let own = SignalEvent(
            trigger: "signal", signal: "SIGUSR1", pid: getpid(), uid: getuid(), value: nil)
        #expect(try events(user) == [own])
        #expect(try events(twin) == [own])
        #expect(user.runs[0].trigger == "signal" && user.runs[0].count == 1)
        #expect(world.notedLines("User.signal") == ["SIGUSR1"])

        queue(__libc_current_sigrtmax(), -7, to: daemon)
        try await realTime.runs(1)
        #expect(
            try events(realTime) == [
                SignalEvent(
                    trigger: "signal", signal: "SIGRTMIN+30", pid: getpid(), uid: getuid(),
                    value: -7)
            ])
        #expect(user.runs.count == 1)
    }

    @Test("are counted one by one where they are real-time signals: events and dropped add up")
    func counted() async throws {
        let world = try World()
        let gate = "\(world.notes)/gate"
        let log = try witness(
            "Log", "RTMIN+3", in: world, "limit = \"off\"",
            before: "while [ ! -e '\(gate)' ]; do sleep 0.02; done")
        let daemon = try await world.start()
        // The first signal's check keeps all others waiting.
        for value in 0..<1_000 { queue(__libc_current_sigrtmin() + 3, Int32(value), to: daemon) }
        try await eventually("all have come") { try world.listed("Log").pending == 999 }
        for value in 1_000..<1_500 {
            queue(__libc_current_sigrtmin() + 3, Int32(value), to: daemon)
        }
        try await eventually("all have come") { try world.listed("Log").pending == 1_499 }
        try world.write("", to: "notes/gate")
        let runs = try await log.runs(2)
        #expect(runs[0].count == 1)
        #expect(runs[1].count == 1_024 && runs[1].count + runs[1].dropped == 1_499)
        let values = try events(log).map(\.value)
        #expect(values == [0] + (476..<1_500).map { Int32($0) }, "the newest, in their order")
        try await log.expectNoMoreRuns(for: .milliseconds(300))
    }

    @Test("G2: one that comes during a run has one more check") func duringRun() async throws {
        let world = try World()
        let gate = "\(world.notes)/gate"
        let log = try witness(
            "Log", "USR2", in: world, before: "while [ ! -e '\(gate)' ]; do sleep 0.02; done")
        let daemon = try await world.start()
        daemon.send(SIGUSR2)
        try await eventually("it is checked") { try world.listed("Log").state == "checking" }
        daemon.send(SIGUSR2)
        try await eventually("it waits") { try world.listed("Log").pending == 1 }
        try world.write("", to: "notes/gate")
        try await log.runs(2)
        try await log.expectNoMoreRuns(for: .milliseconds(300))
    }

    @Test("that nobody waits for are told and change nothing") func ignored() async throws {
        let world = try World()
        try world.module("Log", check: "exit 1", manifest: "enabled = false")
        let daemon = try await world.start()
        daemon.send(SIGUSR1)
        try await eventually("it is told") {
            world.lines.contains { $0.contains("is ignored: no module waits for it") }
        }
        #expect(!daemon.hasEnded)
    }

    @Test("G2: one that came before the daemon could take it is not lost") func early() async throws
    {
        let world = try World()
        let log = try witness("Log", "USR1", in: world)
        // As it would be between the mask and the signalfd.
        let daemon = try await world.start([
            "/usr/bin/env", "--block-signal=USR1", "/bin/sh", "-c", "kill -USR1 $$; exec \"$@\"",
            "sh",
        ])
        try await log.runs(1)
        #expect(!daemon.hasEnded)
    }
}
