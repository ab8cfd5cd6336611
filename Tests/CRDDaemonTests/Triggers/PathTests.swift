// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The real daemon and the real kernel; PathSource's own tests show what becomes of each change.
@Suite("Path triggers", .takesTurns)
struct PathTests {
    /// Makes a file; its name may be any bytes.
    static func create(_ path: [UInt8], _ content: String = "") throws {
        let file = open(path.map { CChar(bitPattern: $0) } + [0], O_WRONLY | O_CREAT, 0o644)
        guard file >= 0 else { throw Trouble("a file cannot be made: \(errno)") }
        defer { close(file) }
        guard write(file, content, content.utf8.count) == content.utf8.count else {
            throw Trouble("a file cannot be written: \(errno)")
        }
    }

    static func create(_ path: String, _ content: String = "") throws {
        try create(Array(path.utf8), content)
    }

    static func trigger(_ path: String, _ keys: String = "") -> String {
        "[[trigger.path]]\npath = '\(path)'\n\(keys)\n"
    }

    @Test("have the check run at once, with all that happened")
    func fileWritten() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness("Log", in: world, manifest: Self.trigger(data))
        try await world.start()
        let start = try await log.runs(1)[0]
        #expect(start.trigger == "start" && start.count == 0 && start.dropped == 0)
        #expect(start.path == nil && start.lines.isEmpty)

        let before = Date.now.addingTimeInterval(-0.001)
        try Self.create("\(data)/file", "text")
        try await eventually("all three events have come") { try log.events.count == 3 }
        let runs = log.runs.dropFirst()
        #expect(runs.allSatisfy { $0.trigger == "path" && $0.dropped == 0 })
        #expect(runs.allSatisfy { $0.count == $0.lines.count && $0.count > 0 })
        #expect(runs.allSatisfy { $0.path == Array("\(data)/file".utf8) })
        // It notes them before it ends.
        try await eventually("the run has ended") {
            try world.listed("Log").last?.trigger == "path"
        }

        let events = try log.events
        #expect(events.map(\.events) == [["create"], ["modify"], ["close_write"]])
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        for event in events {
            #expect(event.trigger == "path" && event.path.text == "\(data)/file")
            #expect(!event.directory && event.from == nil && event.overflow == nil)
            #expect(event.time.wholeMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/#) != nil)
            let time = try #require(formatter.date(from: event.time))
            #expect(before...Date.now ~= time, "\(event.time)")
        }
        #expect(!runs.flatMap(\.lines).contains { $0.contains("\\/") })
    }

    @Test("say what is a directory, and where what was renamed comes from")
    func renames() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let elsewhere = try world.makeDirectory("elsewhere")
        let log = try Witness(
            "Log", in: world, manifest: Self.trigger(data, "events = ['create', 'moved_to']"))
        try await world.start()
        try await log.runs(1)

        try world.makeDirectory("data/old")
        try await log.runs(2)
        rename("\(data)/old", "\(data)/new")
        try await log.runs(3)
        try Self.create("\(elsewhere)/stranger")
        rename("\(elsewhere)/stranger", "\(data)/guest")
        let runs = try await log.runs(4)
        #expect(
            runs.dropFirst().map { $0.path ?? [] }
                == ["old", "new", "guest"].map {
                    Array("\(data)/\($0)".utf8)
                })
        let events = try log.events
        #expect(events.map(\.events) == [["create"], ["moved_to"], ["moved_to"]])
        #expect(events.map(\.directory) == [true, true, false])
        #expect(events.map { $0.from?.text } == [nil, "\(data)/old", nil])
    }

    @Test("pass a name on byte for byte, also one that is not UTF-8")
    func strangeNames() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world, manifest: Self.trigger(data, "events = ['create', 'moved_to']"))
        try await world.start()
        try await log.runs(1)
        let names: [[UInt8]] = [
            [0x63, 0x61, 0x66, 0xe9], [0xff, 0x0a, 0x22, 0x5c, 0x80],
            Array("é \"\\\n\u{1}$(x)".utf8),
        ]
        for (index, name) in names.enumerated() {
            let path = Array("\(data)/".utf8) + name
            try Self.create(path)
            let run = try await log.runs(index + 2)[index + 1]
            #expect(run.path == path)
            let event = try #require(try run.events.first)
            #expect(event.path.bytes == path)
            #expect(event.path.isText == (index == 2))
        }
        let old = Array("\(data)/".utf8) + names[0]
        rename(old.map { CChar(bitPattern: $0) } + [0], "\(data)/plain")
        let event = try #require(try await log.runs(5)[4].events.first)
        #expect(event.path.isText && event.path.text == "\(data)/plain")
        #expect(event.from?.bytes == old && event.from?.isText == false)
    }

    @Test("G10: of a response that empties the watched directory, make one more check")
    func emptyingResponse() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world, manifest: Self.trigger(data), check: "[ -n \"$(ls '\(data)')\" ]",
            response: "rm '\(data)'/*")
        try await world.start()
        try await log.runs(1)
        // The first check looks after it has noted its run.
        try await log.state("idle")
        try Self.create("\(world.directory)/new")
        rename("\(world.directory)/new", "\(data)/new")
        let runs = try await log.runs(3)
        #expect(
            try runs[1].events.map(\.events) == [["moved_to"]], "\(runs), \(world.lines)")
        #expect(try runs[2].events.map(\.events) == [["delete"]])
        try await log.expectNoMoreRuns(for: .seconds(2))
        #expect(try world.listed("Log").responses == 1)
        #expect(try world.listed("Log").state == "idle")
    }

    @Test("wait for a path that is not there, and see it come")
    func waiting() async throws {
        let world = try World()
        let path = "\(world.directory)/some/where/log"
        let log = try Witness("Log", in: world, manifest: Self.trigger(path))
        try await world.start()
        try await log.runs(1)
        try await log.state("waiting for \(path)")
        #expect(try world.listed("Log").reason == nil)
        let table = try await world.crd(["list"])
        #expect(table.output.contains("waiting for \(path)"))

        try world.makeDirectory("some")
        try world.makeDirectory("some/where")
        try await log.expectNoMoreRuns(for: .milliseconds(300))
        #expect(try world.listed("Log").state == "waiting for \(path)")

        try world.makeDirectory("some/where/log")
        let run = try await log.runs(2)[1]
        #expect(run.trigger == "path" && run.path == Array(path.utf8))
        #expect(try run.events.map(\.events) == [["create"]])
        #expect(try run.events.map(\.directory) == [true])
        try await log.state("idle")
        try Self.create("\(path)/file")
        try await log.runs(3)

        try FileManager.default.removeItem(atPath: "\(world.directory)/some")
        try await log.state("waiting for \(path)")
        #expect(!world.lines.contains { $0.contains("warning") || $0.contains("error") })
    }

    @Test("have a module without an interval checked at start, which others are not")
    func intervalOff() async throws {
        let world = try World(interval: "100ms")
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world, manifest: "interval = 'off'\n" + Self.trigger(data))
        let never = try Witness("Never", in: world, manifest: "interval = 'off'")
        try world.module("Timed", check: "exit 1")
        try await world.start()
        #expect(try await log.runs(1)[0].trigger == "start")
        try await world.runs(3, of: "Timed")
        try Self.create("\(data)/file")
        try await eventually("all has been told") { try log.events.count == 2 }
        #expect(log.runs.dropFirst().allSatisfy { $0.trigger == "path" })
        #expect(never.runs.isEmpty)
        #expect(try world.listed("Never").runs == 0)
        #expect(try world.listed("Never").state == "idle")
    }

    @Test(
        "never keep a file system from being unmounted, and go on below it",
        .enabled(if: Surroundings.hasNamespaces, "\(Surroundings.needsNamespaces)"))
    func unmounting() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world, manifest: Self.trigger(data, "recursive = true"))
        let mount = "mount -t tmpfs none '\(data)'"
        let daemon = try await world.start(
            Namespace.mount.entering("\(mount) && mkdir '\(data)/below'"))
        func inside(_ command: String) async throws {
            #expect(try await Namespace.mount.run(command, of: daemon, in: world) == 0)
        }
        func see(_ path: String) async throws {
            try await eventually("\(path) is seen") {
                try log.events.contains { $0.path.text == path && $0.events.contains("create") }
            }
        }
        try await log.runs(1)
        try await inside(": >'\(data)/below/mounted'")
        try await see("\(data)/below/mounted")

        // No check may work there: it would keep the mount busy.
        try await log.state("idle")
        try await inside("umount '\(data)'")
        try await eventually("it is told") {
            try log.events.contains { $0.events == ["unmount"] && $0.path.text == data }
        }
        try Self.create("\(data)/bare")
        try await see("\(data)/bare")

        try await inside("\(mount) && : >'\(data)/again'")
        try await eventually("the second is seen") {
            try log.events.contains { $0.path.text == data && $0.events == ["create"] }
        }
        try await inside(": >'\(data)/once-more'")
        try await see("\(data)/once-more")
        try await log.state("idle")
        try await inside("umount '\(data)'")
        try Self.create("\(data)/bare-again")
        try await see("\(data)/bare-again")
        let trouble = world.lines.filter { $0.contains("warning") || $0.contains("error") }
        // The test reacts to each check so soon that the module may seem to trigger itself.
        #expect(trouble.allSatisfy { $0.contains("Log: seems to trigger itself") }, "\(trouble)")
    }

    @Test(
        "that are broken make their module fail, and no other",
        arguments: [
            ("path = 'data'", "2:8", "'trigger.path.path'"),
            ("path = '/data'\nevents = ['create', 'wirte']", "3:21", "'trigger.path.events'"),
            ("path = '/data'\ninclude = ['*', '[a']", "3:17", "'trigger.path.include'"),
            ("path = '/data'\nrecursiv = true", "3:1", "'trigger.path.recursive'"),
        ])
    func broken(keys: String, place: String, key: String) async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let bad = try Witness("Bad", in: world, manifest: "[[trigger.path]]\n\(keys)")
        let good = try Witness("Good", in: world, manifest: Self.trigger(data))
        let complaint = "\(world.directory)/modules/Bad/module.toml:\(place): "
        let check = try await world.crd(["check-config"])
        #expect(check.code == 1)
        let lines = check.output.split(separator: "\n")
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix(complaint) == true, "\(check.output)")
        #expect(lines.first?.contains(key) == true, "\(check.output)")

        try await world.start()
        try await good.runs(1)
        try Self.create("\(data)/file")
        #expect(try await good.runs(2)[1].trigger == "path")
        let listed = try world.listed("Bad")
        #expect(listed.state == "failed" && listed.reason?.contains(complaint) == true)
        #expect(bad.runs.isEmpty)
    }
}
