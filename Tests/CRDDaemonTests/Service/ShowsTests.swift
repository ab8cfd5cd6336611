// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite("A daemon with real modules", .takesTurns)
struct ShowsTests {
    @Test("empties a directory that outgrew 20 MB, and tells it in one line")
    func seedWalkthrough() async throws {
        let world = try World(interval: "200ms")
        let data = try world.makeDirectory("data")
        try world.module(
            "TestModule", check: "[ $(du -sb '\(data)' | cut -f1) -gt 20971520 ]",
            response: "find '\(data)' -mindepth 1 -delete")
        try await world.start()
        try await world.runs(2, of: "TestModule")
        #expect(try world.listed("TestModule").responses == 0)

        try Data(count: 21 << 20).write(to: URL(fileURLWithPath: "\(data)/big"))
        try await eventually("the directory is empty") {
            try FileManager.default.contentsOfDirectory(atPath: data).isEmpty
        }
        try await eventually("the response is listed") {
            try world.listed("TestModule").responses == 1
        }
        let told = world.lines.filter { $0.contains("TestModule") }
        #expect(told.count == 1)
        #expect(
            told.first?.wholeMatch(
                of:
                    #/crd: TestModule: condition held \(interval, check \d+m?s\); response done in \d+m?s/#
            ) != nil, "\(told)")
    }

    @Test("G1: responds to a check that exits with 0, and to nothing else")
    func onlyExitZeroResponds() async throws {
        let world = try World(interval: "200ms", grace: "100ms")
        let endings = [
            ("Zero", "exit 0", "exit code 0"), ("One", "exit 1", "exit code 1"),
            ("Two", "exit 2", "exit code 2"), ("Killed", "kill -KILL $$", "signal 9"),
            ("Late", "trap 'exit 0' TERM; \(world.forever) & wait", "timeout"),
        ]
        for (name, check, _) in endings {
            try world.module(
                name, check: check, response: ": >'\(world.notes)/\(name)'",
                manifest: name == "Late" ? "timeout = \"200ms\"" : nil)
        }
        try await world.start()
        for (name, _, ending) in endings {
            let module = try await world.runs(2, of: name)
            #expect(module.last?.check == ending)
            #expect((module.responses > 0) == (name == "Zero"), "\(name)")
            #expect((world.note(name) != nil) == (name == "Zero"), "\(name)")
        }
        #expect(try world.listed("Zero").last?.response == "exit code 0")
    }

    @Test("takes the manifest's exit codes for yes and no")
    func ownExitCodes() async throws {
        let world = try World()
        for code in [0, 7, 8, 9] {
            try world.module(
                "M\(code)", check: "exit \(code)", response: ": >'\(world.notes)/\(code)'",
                manifest: "condition = [7, 8]\nclear = [0]")
        }
        try await world.start()
        for code in [0, 7, 8, 9] {
            let module = try await world.runs(1, of: "M\(code)")
            #expect((world.note("\(code)") != nil) == [7, 8].contains(code), "\(code)")
            #expect((module.reason != nil) == (code == 9), "\(code)")
        }
    }

    @Test("hands 1 MiB of anything from the check to the response, byte for byte")
    func everyByte() async throws {
        let world = try World()
        var random = SystemRandomNumberGenerator()
        let bytes = Data(
            (0..<(1 << 17)).flatMap { _ in
                withUnsafeBytes(of: random.next()) { Array($0) }
            })
        let original = "\(world.directory)/original"
        try bytes.write(to: URL(fileURLWithPath: original))
        try world.module(
            "Copy", check: "cat '\(original)'", response: "cat >'\(world.notes)/copy'")
        try await world.start()
        try await world.runs(1, of: "Copy")
        #expect(FileManager.default.contents(atPath: "\(world.notes)/copy") == bytes)
        #expect(!world.lines.contains { $0.contains("dropped") })
    }

    @Test("keeps output-max of what a check prints, and says what it drops")
    func outputMax() async throws {
        let world = try World(more: "output-max = \"1KiB\"")
        try world.module(
            "Chatty", check: "head -c 5000 /dev/zero", response: "wc -c >'\(world.notes)/count'")
        try await world.start()
        try await world.runs(1, of: "Chatty")
        #expect(world.notedLines("count") == ["1024"])
        #expect(
            world.lines.contains {
                $0.hasPrefix("crd: warning: Chatty: check printed 3976 bytes more than the 1024")
                    && $0.contains("raise output-max in crd.conf")
            })
    }

    @Test("G4: has never more than its slots under way, with 1,000 modules, and forgets none")
    func bound() async throws {
        let world = try World(interval: "1s", more: "slots = 4")
        let names = (0..<1000).map { "M\($0)" }
        for name in names { try world.module(name, check: "sleep 0.01; exit 1") }
        let daemon = try await world.start()
        var most = 0
        var isEachChecked = false
        while !isEachChecked {
            for _ in 0..<500 {
                most = max(most, Processes.children(of: daemon.pid).count)
                try await Task.sleep(for: .milliseconds(1))
            }
            let listing = try world.list()
            #expect((listing.daemon?.running ?? 99) <= 4)
            isEachChecked = listing.modules.allSatisfy { $0.runs >= 1 }
        }
        #expect(most == 4)
        #expect(try world.list().modules.count == names.count)
    }

    @Test("G3: runs a module again only after its run has ended, however short its interval")
    func oneAtATime() async throws {
        let world = try World(interval: "1ms")
        let lock = "\(world.notes)/lock"
        try world.module(
            "Slow",
            check: "mkdir '\(lock)' || : >'\(world.notes)/overlap'; sleep 0.05; exit 0",
            response: "sleep 0.05; rmdir '\(lock)'")
        try await world.start()
        try await world.runs(10, of: "Slow")
        #expect(world.note("overlap") == nil)
    }

    @Test("G13: never executes a check that others can write, says why, and runs it when mended")
    func writableCheck() async throws {
        let world = try World(interval: "100ms")
        for name in ["Early", "Late"] {
            try world.module(name, check: "echo >>'\(world.notes)/\(name)'; exit 1")
        }
        func path(_ name: String) -> String { "\(world.directory)/modules/\(name)/check" }
        chmod(path("Early"), 0o775)
        try await world.start()
        try await world.runs(1, of: "Late")
        chmod(path("Late"), 0o775)

        for name in ["Early", "Late"] {
            try await eventually("\(name) has failed") { try world.listed(name).state == "failed" }
            let reason = try world.listed(name).reason ?? ""
            #expect(reason.contains("\(path(name))"))
            #expect(reason.contains("can be written by its group; run: chmod g-w '\(path(name))'"))
            #expect(world.lines.contains { $0.contains(path(name)) })
            let table = try await world.crd(["list"])
            #expect(table.output.contains("chmod g-w '\(path(name))'"))
        }
        #expect(world.note("Early") == nil)
        let before = world.notedLines("Late").count
        try await Task.sleep(for: .milliseconds(500))
        #expect(world.notedLines("Late").count == before)

        for name in ["Early", "Late"] {
            chmod(path(name), 0o755)
            // It is "checking" before that check has revealed anything.
            try await eventually("\(name) runs again, and nothing is said against it") {
                let listed = try world.listed(name)
                return listed.state != "failed" && listed.reason == nil
            }
        }
    }

    @Test("G13: looks at the response too, right before it starts it")
    func writableResponse() async throws {
        let world = try World()
        let module = try world.module(
            "Careful", check: "chmod o+w response", response: ": >'\(world.notes)/ran'")
        try await world.start()
        let listed = try await world.runs(1, of: "Careful")
        #expect(listed.reason?.contains("run: chmod o-w '\(module)/response'") == true)
        #expect(world.note("ran") == nil)
    }
}
