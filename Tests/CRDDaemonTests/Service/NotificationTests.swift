// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// What a service manager is told, word by word (sd_notify(3)).
@Suite("The service manager", .takesTurns)
struct NotificationTests {
    @Test("is told of the start, of a reload and its time, of the end, and modules are not")
    func messages() async throws {
        let world = try World(more: "auto-reload = false")
        try world.module(
            "Log",
            check: "env | grep -c '^NOTIFY_SOCKET\\|^WATCHDOG' >>'\(world.notes)/env'; exit 1")
        let socket = try NotifySocket("\(world.directory)/notify")
        let daemon = try await world.start(
            environment: World.environment.merging([
                "NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "400000",
            ]) { $1 })
        try await eventually("it is ready") {
            socket.receive().contains("READY=1\nSTATUS=1 module, all well")
        }
        try await eventually("it is alive") { socket.receive().contains("WATCHDOG=1") }
        func now() -> UInt64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
        }
        let before = now()
        daemon.send(SIGHUP)
        try await eventually("it was reloaded") {
            socket.received.last { $0 != "WATCHDOG=1" } == "READY=1\nSTATUS=1 module, all well"
                && socket.receive().contains { $0.hasPrefix("RELOADING=1\n") }
        }
        let reloading = try #require(socket.received.first { $0.hasPrefix("RELOADING=1\n") })
        let fields = reloading.split(separator: "\n").map(String.init)
        let time = try #require(fields.first { $0.hasPrefix("MONOTONIC_USEC=") })
        let told = try #require(UInt64(time.dropFirst("MONOTONIC_USEC=".count)))
        #expect(told >= before && told <= now())
        try await world.stop()
        let end = try #require(socket.receive().last { $0.hasPrefix("STOPPING=1") })
        #expect(end.contains("EXTEND_TIMEOUT_USEC="))
        #expect(world.notedLines("env") == ["0"])
    }

    @Test(
        "G14: holds nothing while it does not read, and gets the newest of all when it does",
        arguments: ["", "@"])
    func unread(kind: String) async throws {
        let world = try World(grace: "1h", more: "auto-reload = false")
        try world.module("Tick", check: "exit 1", manifest: "interval = \"200ms\"")
        try world.module(
            "Last", check: "exit 0",
            response:
                "echo >'\(world.notes)/responds'; until [ -e '\(world.notes)/end' ]; do sleep 0.02; done",
            manifest: "[[trigger.signal]]\nsignal = \"USR1\"")
        try world.write("", to: "notes/end")
        let socket = try NotifySocket("\(kind)\(world.directory)/notify")
        try socket.fill()
        let daemon = try await world.start(
            environment: World.environment.merging([
                "NOTIFY_SOCKET": socket.path,
                // Without a watchdog, only free room gets the rest sent.
                kind.isEmpty ? "WATCHDOG_USEC" : "IGNORED": "100000",
            ]) { $1 })
        let begun = try await world.runs(1, of: "Tick").runs
        let before = Processes.processorSeconds(daemon.pid)
        try await world.runs(begun + 10, of: "Tick")
        // A loop that spins while there is no room would use a whole processor: two seconds.
        #expect(Processes.processorSeconds(daemon.pid) - before < 1)
        #expect(try await world.reload().code == 0)
        #expect(try await world.reload().code == 0)
        func told(_ text: String) async throws {
            try await eventually("\(text) arrives") {
                socket.receive().contains { $0.hasPrefix(text) }
            }
        }
        try await told("RELOADING=1\nMONOTONIC_USEC=")
        try await told("READY=1\nSTATUS=2 modules, all well")
        if kind.isEmpty { try await told("WATCHDOG=1") }
        #expect(socket.received.count { $0.hasPrefix("RELOADING=1") } == 1)

        // The same at the end, which a response delays.
        try await world.runs(1, of: "Last")
        for name in ["responds", "end"] { world.remove(note: name) }
        daemon.send(SIGUSR1)
        try await eventually("it responds") { world.note("responds") != nil }
        try socket.fill()
        daemon.send(SIGTERM)
        try await eventually("it stops") { world.lines.contains { $0.contains("stopping on") } }
        try await told("STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=")
        try socket.fill()
        try world.write("", to: "notes/end")
        #expect(try await daemon.end() == 0)
    }
}
