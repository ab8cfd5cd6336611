// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import Testing

@testable import CRDDaemon

/// The reader of the daemon's log has stopped.
@Suite("G14: a reader of the log that does not read", .takesTurns)
struct StoppedReaderTests {
    @Test(
        "journald that hangs: a module that mends it runs, the watchdog is fed, losses are counted",
        .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
    func hangingJournald() async throws {
        let box = try await JournaldBox()
        let world = try World(more: "auto-reload = false")
        let journald = try #require(box.journald)
        // As `pidof systemd-journald` would, for the right process.
        try world.module(
            "Mend",
            check:
                "grep -q '^State:.T' /proc/\(journald.pid)/status && [ -e '\(world.notes)/mend' ]",
            response: "kill -CONT \(journald.pid)",
            manifest: "[[trigger.path]]\npath = '\(world.notes)/mend'")
        // Much more than is kept.
        try world.module(
            "Talk",
            check:
                "mv '\(world.notes)/talk' '\(world.notes)/talked' 2>/dev/null && seq 40000 >&2; exit 1",
            manifest: "[[trigger.path]]\npath = '\(world.notes)/talk'")
        let socket = try NotifySocket("\(world.directory)/notify")
        try await world.start(
            box.connectedPrefix,
            environment: World.environment.merging([
                "NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "400000",
            ]) { $1 })
        try await world.runs(1, of: "Talk")
        journald.send(SIGSTOP)
        try world.write("", to: "notes/talk")
        try await world.runs(2, of: "Talk")
        socket.receive()
        let fed = socket.received.count { $0 == "WATCHDOG=1" }
        try await eventually("the watchdog is fed while nobody reads") {
            socket.receive().count { $0 == "WATCHDOG=1" } >= fed + 3
        }
        try world.write("", to: "notes/mend")
        try await world.runs(2, of: "Mend")
        func messages(_ identifier: String) async throws -> [String] {
            try await box.entries().filter { $0["SYSLOG_IDENTIFIER"] as? String == identifier }
                .compactMap { $0["MESSAGE"] as? String }
        }
        try await eventually("what was lost is counted", every: .milliseconds(200)) {
            try await messages("crd").contains { $0.contains("journald did not read") }
        }
        let dropped = try await messages("crd").compactMap { message -> Int? in
            let words = message.split(separator: " ")
            return words.first == "dropped" ? Int(words[1]) : nil
        }
        let kept = try await messages("crd.Talk").compactMap { Int($0) }
        #expect(kept == kept.sorted())
        #expect(kept.count > 1_000 && kept.count < 40_000)
        // The daemon's own lines may be among the lost ones.
        #expect((40_000...40_010).contains(kept.count + dropped.reduce(0, +)))

        journald.send(SIGSTOP)
        #expect(try await world.stop() == 0)
        journald.send(SIGCONT)
    }

    @Test(
        "journald that is gone: what is logged meanwhile comes when it is there again",
        .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
    func restartedJournald() async throws {
        let box = try await JournaldBox()
        let world = try World(more: "auto-reload = false")
        try world.module(
            "Talk", check: "cat '\(world.notes)/text' >&2; exit 1",
            manifest: "[[trigger.path]]\npath = '\(world.notes)/text'")
        try world.write("first", to: "notes/text")
        try await world.start(box.connectedPrefix)
        try await world.runs(1, of: "Talk")
        try await box.stop()
        try world.write("second", to: "notes/text")
        try await world.runs(2, of: "Talk")
        try await box.start()
        try await eventually("it comes", every: .milliseconds(200)) {
            try await box.entries().contains { $0["MESSAGE"] as? String == "second" }
        }
    }

    @Test("standard error that is read late: nothing is lost, and nothing waits for it")
    func lateReader() async throws {
        let world = try World()
        try #require(mkfifo(world.log, 0o600) == 0)
        let reader = open(world.log, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        try #require(reader >= 0)
        defer { close(reader) }
        while write(reader, "full\n", 5) == 5 {}
        try world.module("Talk", check: "seq 5000 >&2; exit 1")
        try world.module("Tick", check: "exit 1", manifest: "interval = '100ms'")
        let daemon = try world.launch()
        try await eventually("it has printed") { (try? world.listed("Talk").runs) == 1 }
        try await world.runs(try world.listed("Tick").runs + 5, of: "Tick")
        daemon.send(SIGTERM)
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        try await eventually("it ends", every: .milliseconds(2)) {
            let hasEnded = daemon.hasEnded
            while case let count = read(reader, &buffer, buffer.count), count > 0 {
                text += buffer[..<count]
            }
            return hasEnded
        }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
        let numbers = lines.compactMap { $0.hasPrefix("Talk: ") ? Int($0.dropFirst(6)) : nil }
        #expect(numbers == Array(1...5_000))
        #expect(lines.last == "crd: stopped")
    }

    @Test("G14: a turn of the loop passes on so many lines, whatever a pipe holds")
    func linesInATurn() throws {
        let world = try World()
        let path = world.log
        let log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        try #require(log >= 0)
        defer { close(log) }
        func lines() -> [String] {
            let text = FileManager.default.contents(atPath: path) ?? Data()
            return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
        }
        let forwarder = OutputForwarder(
            LogOutput(to: log),
            RunReporter(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        let storm = LogSink(forwarder, module: "Storm") { [] }
        let calm = LogSink(forwarder, module: "Calm") { [] }
        func receive(_ text: String, _ output: LogSink) {
            Array(text.utf8).withUnsafeBytes(output.receive)
        }
        receive(String(repeating: "\n", count: 65_536), storm)
        #expect(storm.isFull && forwarder.hasBacklog)
        receive("calm\n", calm)
        #expect(lines().last == "Calm: calm")
        receive(String(repeating: "more\n", count: 200), calm)
        storm.outputHasEnded()
        for _ in 0..<3 { forwarder.beginTurn() }
        #expect((1_000...2_048).contains(lines().count))
        // The sinks take turns.
        #expect(lines().count { $0 == "Calm: more" } == 200)
        #expect(!calm.isFull)
        var turns = 0
        while forwarder.hasBacklog {
            forwarder.beginTurn()
            turns += 1
        }
        #expect(turns > 100)
        #expect(lines().count { $0.hasPrefix("Storm:") } == 65_536)

        // Output beyond all bounds is counted: ten megabytes, of which four are kept.
        let line = String(repeating: "x", count: 1_023) + "\n"
        for _ in 0..<160 {
            let output = LogSink(forwarder, module: "Flood") { [] }
            receive(String(repeating: line, count: 64), output)
            output.outputHasEnded()
        }
        forwarder.flush()
        receive("end\n", LogSink(forwarder, module: "Last") { [] })
        let kept = lines().count { $0.hasPrefix("Flood:") }
        let dropped = lines().compactMap { line in
            line.hasPrefix("crd: warning: dropped ")
                ? line.split(separator: " ").lazy.compactMap { Int($0) }.first : nil
        }
        #expect(kept + dropped.reduce(0, +) == 160 * 64)
        #expect((4_000...5_000).contains(kept))
    }
}
