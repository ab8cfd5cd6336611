// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite("Storms of path events", .takesTurns)
struct PathStormTests {
    @Test("G2, G3: during a run make one more check, with all of them")
    func foldedWhileRunning() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world, manifest: PathTests.trigger(data, "events = ['create']"),
            before: "while [ -e '\(world.notes)/hold' ]; do sleep 0.01; done")
        try await world.start()
        try await log.runs(1)
        try await log.state("idle")
        try world.write("", to: "notes/hold")
        try PathTests.create("\(data)/first")
        try await log.state("checking")
        let names = (0..<20).map { "\(data)/\($0)" }
        for name in names { try PathTests.create(name) }
        try await eventually("all of them wait") { try world.listed("Log").pending == 20 }
        #expect(log.runs.count == 1)
        world.remove(note: "hold")

        let runs = try await log.runs(3)
        #expect(try runs[1].events.map(\.path.text) == ["\(data)/first"])
        #expect(try runs[2].events.map(\.path.text) == names)
        #expect(runs[2].count == 20 && runs[2].dropped == 0)
        #expect(runs[2].path == Array(names[19].utf8))
        try await log.expectNoMoreRuns()
    }

    @Test("G2, G10: during the cooldown make one more check, with all of them")
    func foldedWhileCooling() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world,
            manifest: "cooldown = '20s'\n" + PathTests.trigger(data, "events = ['create']"))
        try await world.start()
        try await log.runs(1)
        let names = (0..<20).map { "\(data)/\($0)" }
        for name in names { try PathTests.create(name) }
        try await eventually("all of them wait") {
            let module = try world.listed("Log")
            return module.state == "cooling" && module.pending == 20
        }
        #expect(log.runs.count == 1)
        let run = try await log.runs(2)[1]
        #expect(run.trigger == "path")
        #expect(try run.events.map(\.path.text) == names)
        try await log.expectNoMoreRuns(for: .seconds(6))
    }

    @Test("G2, G4: keep the newest events of those that wait, and count the others")
    func dropped() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world,
            // The next check follows, however long this one is held up.
            manifest: "cooldown = '0s'\n" + PathTests.trigger(data, "events = ['create']"),
            before: "while [ -e '\(world.notes)/hold' ]; do sleep 0.01; done")
        try world.write("", to: "notes/hold")
        try await world.start()
        try await log.state("checking")
        for index in 0..<3000 { try PathTests.create("\(data)/\(index)") }
        try await eventually("all of them wait") { try world.listed("Log").pending == 3000 }
        world.remove(note: "hold")
        let run = try await log.runs(2)[1]
        #expect(run.count == 1024 && run.dropped == 3000 - 1024)
        #expect(try run.events.map(\.path.text) == (1976..<3000).map { "\(data)/\($0)" })
        try await log.expectNoMoreRuns()
    }

    @Test("G2, G3, G10: 10,000 files are answered ten times a second, and none is forgotten")
    func storm() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let log = try Witness(
            "Log", in: world, manifest: PathTests.trigger(data, "events = ['create']"),
            before: "ls -U '\(data)' | wc -l >>'\(world.notes)/seen'")
        try await world.start()
        try await log.runs(1)
        try await log.state("idle")

        let begin = ContinuousClock.now
        for index in 0..<10_000 { try PathTests.create("\(data)/\(index)") }
        func total() -> Int { log.runs.map { $0.count + $0.dropped }.reduce(0, +) }
        try await eventually("every event has come") { total() >= 10_000 }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        #expect(Double(log.runs.count - 1) <= 10 * seconds + 2)
        #expect(total() == 10_000)
        try await log.expectNoMoreRuns()
        #expect(total() == 10_000)
        // The last check came after the last file.
        #expect(world.notedLines("seen").last == "10000")
        #expect(try log.events.last?.path.text == "\(data)/9999")
        #expect(log.runs.dropFirst().allSatisfy { $0.trigger == "path" })
        #expect(try world.list().daemon?.overflows == 0)
    }

    @Test("G2: that fill the kernel's queue make every module with a path trigger look again")
    func overflow() async throws {
        let setting = try String(
            contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
        let room = try #require(Int(setting.trimmingCharacters(in: .whitespacesAndNewlines)))
        let world = try World()
        let (data, quiet) = (try world.makeDirectory("data"), try world.makeDirectory("quiet"))
        // No path yet: it too may have come unseen.
        let missing = "\(world.directory)/missing/file"
        let events = "events = ['create']"
        let witnesses = try [("Loud", data), ("Quiet", quiet), ("Waiting", missing)].map {
            try Witness($0, in: world, manifest: PathTests.trigger($1, events))
        }
        let timed = try Witness("Timed", in: world, manifest: "")
        let daemon = try await world.start()
        for witness in witnesses { try await witness.runs(1) }

        daemon.send(SIGSTOP)
        for index in 0..<(room + 500) { try PathTests.create("\(data)/\(index)") }
        daemon.send(SIGCONT)

        for (witness, path) in zip(witnesses, [data, quiet, missing]) {
            func overflows() throws -> [Witness.PathEvent] {
                try witness.events.filter { $0.overflow == true }
            }
            try await eventually("\(witness.name) is told") { try !overflows().isEmpty }
            let told = try overflows()
            #expect(told.count == 1)
            #expect(told.first?.path.text == path && told.first?.events == [])
        }
        #expect(witnesses[1].runs.count == 2 && witnesses[2].runs.count == 2)
        #expect(timed.runs.count == 1)
        #expect((try world.list().daemon?.overflows ?? 0) >= 1)
        let outcome = try await world.crd(["list", "--json"])
        #expect(outcome.output.contains(#/"overflows" : [1-9]/#))
        #expect(
            world.lines.filter {
                $0.hasPrefix("crd: warning: the kernel's queue of path events was full")
                    && $0.contains("fs.inotify.max_queued_events")
            }.count == 1)

        // It continues as before.
        try PathTests.create("\(quiet)/file")
        #expect(try await witnesses[1].runs(3)[2].path == Array("\(quiet)/file".utf8))
        try await witnesses[0].state("idle")
    }
}
