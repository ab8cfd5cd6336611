// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite("The daemon", .takesTurns)
struct StoppingTests {
    @Test("ends with 0 on SIGTERM and SIGINT", arguments: [SIGTERM, SIGINT])
    func idle(signal: CInt) async throws {
        let world = try World()
        try world.module("Quick", check: "exit 1")
        try await world.start()
        try await world.runs(1, of: "Quick")
        #expect(try await world.stop(signal) == 0)
        #expect(world.lines.last == "crd: stopped")
        #expect(!FileManager.default.fileExists(atPath: world.socket))
    }

    @Test("lets a response finish, but no check, and starts nothing more")
    func finishing() async throws {
        let world = try World(interval: "50ms", grace: "1h")
        try world.module(
            "Working", check: "exit 0",
            response:
                ": >'\(world.notes)/begun'; until [ -e '\(world.notes)/go' ]; do sleep 0.02; done\n"
                + ": >'\(world.notes)/finished'")
        try world.module(
            "Checking", check: "echo >>'\(world.notes)/checks'; \(world.forever)",
            response: ": >'\(world.notes)/never'")
        let daemon = try await world.start()
        try await eventually("the response runs") { world.note("begun") != nil }
        try await eventually("the check runs") { !world.sleepers().isEmpty }
        daemon.send(SIGTERM)
        try await eventually("the check ends") { world.sleepers().isEmpty }
        try await Task.sleep(for: .milliseconds(300))
        #expect(!daemon.hasEnded)
        _ = try world.write("", to: "notes/go")
        #expect(try await daemon.end() == 0)
        #expect(world.note("finished") != nil)
        #expect(world.note("never") == nil)
        #expect(world.notedLines("checks").count == 0 || world.note("checks") == "\n")
    }

    @Test("ends a response that takes longer than grace")
    func grace() async throws {
        let world = try World(grace: "300ms")
        try world.module(
            "Endless", check: "exit 0", response: "trap '' TERM; while :; do \(world.forever); done"
        )
        try await world.start()
        try await eventually("the response runs") { !world.sleepers().isEmpty }
        #expect(try await world.stop() == 0)
        #expect(world.sleepers().isEmpty)
    }

    @Test("ends at once when asked twice")
    func twice() async throws {
        let world = try World(grace: "1h")
        try world.module(
            "Endless", check: "exit 0", response: "trap '' TERM; while :; do \(world.forever); done"
        )
        let daemon = try await world.start()
        try await eventually("the response runs") { !world.sleepers().isEmpty }
        daemon.send(SIGTERM)
        try await eventually("it says so") { world.lines.contains { $0.contains("stopping on") } }
        daemon.send(SIGINT)
        #expect(try await daemon.end() == 0)
        #expect(world.sleepers().isEmpty)
    }

    @Test("refuses a second one on the same state directory, and names the first")
    func second() async throws {
        let world = try World()
        let first = try await world.start()
        let second = try await world.crd(["daemon"])
        #expect(second.code == 1)
        #expect(second.errors.contains("as process \(first.pid);"))
        #expect(second.errors.contains("\(world.directory)/state"))
        #expect(try world.list().daemon?.pid == Int(first.pid))
    }

    @Test("takes over where a killed one left its socket and its lock")
    func takeOver() async throws {
        let world = try World()
        let first = try await world.start()
        first.send(SIGKILL)
        try await first.end()
        let second = try await world.start()
        #expect(try world.list().daemon?.pid == Int(second.pid))
    }

    @Test("survives signals that nobody asked for")
    func ignores() async throws {
        let world = try World(interval: "50ms")
        try world.module("Steady", check: "exit 1")
        let daemon = try await world.start()
        for signal in [SIGUSR1, SIGUSR2, SIGALRM, SIGIO, SIGPIPE, 37] {
            kill(daemon.pid, signal)
            let before = try world.list().modules[0].runs
            try await world.runs(before + 2, of: "Steady")
        }
        try await world.stop()
    }

    @Test("goes on when nobody reads its standard error, and stops when it is asked to")
    func unreadStandardError() async throws {
        let world = try World(interval: "100ms")
        try world.module("Loud", check: "seq 20000 >&2; exit 1")
        try world.module("Steady", check: "exit 1")
        let daemon = try await world.start([
            "/bin/sh", "-c", "mkfifo \"$0\" && exec 9<>\"$0\" && exec \"$@\" 2>\"$0\"",
            "\(world.notes)/fifo",
        ])
        let before = try await world.runs(5, of: "Loud").runs
        try await world.runs(before + 5, of: "Steady")
        kill(daemon.pid, SIGTERM)
        try await daemon.end()
    }

    @Test("survives SIGHUP, and a reader of its standard error that goes away")
    func survives() async throws {
        let world = try World(interval: "50ms")
        try world.module("Loud", check: "echo loud >&2; exit 1")
        let daemon = try await world.start([
            "/bin/sh", "-c",
            "exec 4>&2; { \"$@\" 2>&1; echo $? >'\(world.notes)/code'; } | head -n 3 >&4",
            "sh",
        ])
        let pid = try #require(try world.list().daemon.map { pid_t($0.pid) })
        #expect(pid != daemon.pid)
        let before = try await world.runs(5, of: "Loud").runs
        kill(pid, SIGHUP)
        try await world.runs(before + 5, of: "Loud")
        kill(pid, SIGTERM)
        try await daemon.end()
        #expect(world.notedLines("code") == ["0"])
    }
}
