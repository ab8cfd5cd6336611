// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The real daemon, without any request.
@Suite("G11: By itself", .takesTurns)
struct AutoReloadTests {
    /// Makes a module elsewhere, to be moved into place as a whole.
    private func prepare(_ name: String, in world: World, check: String = "exit 1") throws -> String
    {
        let path = try world.makeDirectory(name)
        try world.script(check, at: "\(name)/check")
        try world.script("exit 0", at: "\(name)/response")
        return path
    }

    private func move(_ source: String, to target: String) throws {
        guard rename(source, target) == 0 else { throw Trouble("rename: \(errno)") }
    }

    private func place(_ name: String, in world: World) -> String {
        "\(world.directory)/modules/\(name)"
    }

    /// Waits until a new module is there and has been checked.
    private func appears(_ name: String, in world: World) async throws {
        try await eventually("\(name) is there") {
            try world.list().modules.contains { $0.name == name && $0.runs > 0 }
        }
    }

    private func said(_ text: String, in world: World) -> Int {
        world.lines.filter { $0.contains(text) }.count
    }

    @Test("a module is taken in when it appears, taken anew when it changes, let go when it goes")
    func comesAndGoes() async throws {
        let world = try World()
        try world.module("Same", check: "exit 1")
        try await world.start()
        try move(prepare("Late", in: world), to: place("Late", in: world))
        try await appears("Late", in: world)
        #expect(try world.listed("Late").last?.trigger == "start")
        try world.write("description = 'changed'\n", to: "modules/Late/module.toml")
        try await world.runs(2, of: "Late")
        // A new executable too, even one replaced as a whole.
        let new = try world.script("echo new >>'\(world.notes)/new'; exit 1", at: "new")
        try move(new, to: "\(place("Late", in: world))/check")
        try await world.runs(3, of: "Late")
        #expect(world.notedLines("new") == ["new"])
        // In one step: file by file, a change or two would come before it is gone.
        try move(place("Late", in: world), to: "\(world.directory)/aside")
        try await eventually("it is gone") { try world.list().modules.map(\.name) == ["Same"] }
        #expect(try world.listed("Same").runs == 1)
        #expect(said("reloaded: ", in: world) == 4)
    }

    @Test("a faulty manifest is told once, leaves in force what was, and heals")
    func faulty() async throws {
        let world = try World(interval: "100ms")
        try world.module("Log", check: "exit 1")
        try await world.start()
        let file = try world.write("intervall = 3\n", to: "modules/Log/module.toml")
        try await eventually("it is told") { try world.listed("Log").reason != nil }
        let module = try world.listed("Log")
        #expect(module.state == "idle" || module.state == "checking")
        #expect(
            module.reason == "\(file):1:1: unknown key 'intervall'; did you mean 'interval'?"
                + "; until then the previous content stays active")
        try await world.runs(module.runs + 5, of: "Log")
        #expect(said("unknown key 'intervall'", in: world) == 1)
        try world.write("interval = 3600\n", to: "modules/Log/module.toml")
        try await eventually("it is mended") { try world.listed("Log").reason == nil }
    }

    @Test("half a copy is not ready, and no error until it has been so for long")
    func halfCopy() async throws {
        let world = try World()
        try await world.start()
        // One executable of two.
        try world.makeDirectory("modules/Half")
        try world.script("exit 1", at: "modules/Half/check")
        try await Task.sleep(for: .seconds(3))
        #expect(try world.list().modules.isEmpty)
        #expect(said("Half", in: world) == 0)
        try world.script("exit 0", at: "modules/Half/response")
        try await appears("Half", in: world)
        #expect(said("error", in: world) == 0)

        try world.makeDirectory("modules/Never")
        try world.script("exit 1", at: "modules/Never/check")
        try await eventually("it is given up") { try world.list().modules.count == 2 }
        try await eventually("it is told") {
            try world.listed("Never").reason?.contains("response is not there") == true
        }
        try world.script("exit 0", at: "modules/Never/response")
        try await eventually("it is ready") { try world.listed("Never").state == "idle" }
    }

    @Test("an executable that is being written is not ready, and no error")
    func textBusy() async throws {
        let world = try World(interval: "200ms")
        let path = try world.module("Busy", check: "exit 1")
        try await world.start()
        try await world.runs(1, of: "Busy")
        let file = open("\(path)/check", O_WRONLY | O_CLOEXEC)
        try #require(file >= 0)
        let before = try world.listed("Busy").runs
        try await Task.sleep(for: .seconds(3))
        let during = try world.listed("Busy")
        #expect(during.runs <= before + 1)
        #expect(during.reason == nil, "\(during)")
        #expect(said("error", in: world) == 0, "\(world.lines)")
        close(file)
        try await world.runs(before + 3, of: "Busy")

        // A response too: its check then finds the condition once more.
        try world.script("echo found; exit 0", at: "modules/Busy/check")
        try await eventually("it responds") { try world.listed("Busy").responses > 0 }
        let response = open("\(path)/response", O_WRONLY | O_CLOEXEC)
        try #require(response >= 0)
        try await Task.sleep(for: .seconds(2))
        let responses = try world.listed("Busy").responses
        #expect(said("error", in: world) == 0, "\(world.lines)")
        close(response)
        try await eventually("it responds again") {
            try world.listed("Busy").responses > responses
        }
    }

    @Test("what a module writes beside its files does not concern the daemon")
    func ownFiles() async throws {
        let world = try World(interval: "100ms")
        try world.module(
            "Writer", check: "date >last; echo x >>log; mv last previous; exit 1")
        try await world.start()
        try await world.runs(30, of: "Writer")
        #expect(said("reloaded", in: world) == 0)
        #expect(try world.listed("Writer").last?.trigger == "interval")
    }

    @Test("the modules' directory may come later, be replaced, and go; who cannot be seen stays")
    func shelf() async throws {
        let world = try World(interval: "200ms")
        let shelf = "\(world.directory)/modules"
        try FileManager.default.removeItem(atPath: shelf)
        try await world.start()
        #expect(said("\(shelf):1:1: cannot be read", in: world) == 1)
        try world.makeDirectory("modules")
        try world.module("First", check: "exit 1")
        try await appears("First", in: world)

        try world.makeDirectory("others")
        try world.makeDirectory("others/Second")
        try world.script("exit 1", at: "others/Second/check")
        try world.script("exit 0", at: "others/Second/response")
        try move(shelf, to: "\(world.directory)/former")
        try move("\(world.directory)/others", to: shelf)
        try await eventually("others are there") {
            try world.list().modules.map(\.name) == ["Second"]
        }
        try move(shelf, to: "\(world.directory)/aside")
        try await eventually("it is told") {
            said("\(shelf):1:1: cannot be read", in: world) == 2
        }
        #expect(try world.list().modules.map(\.name) == ["Second"])
        try move("\(world.directory)/aside", to: shelf)
        try await eventually("it goes on") { try world.listed("Second").state == "idle" }
        try world.module("Third", check: "exit 1")
        try await appears("Third", in: world)
    }

    @Test("support modules are listed as they come and go") func support() async throws {
        let world = try World()
        try await world.start()
        try world.makeDirectory("support/Tool")
        try world.script("exit 0", at: "support/Tool/Tool")
        try await eventually("it is there") {
            try world.list().modules.map(\.state) == ["installed"]
        }
        try FileManager.default.removeItem(atPath: "\(world.directory)/support/Tool")
        try await eventually("it is gone") { try world.list().modules.isEmpty }
    }

    @Test("nothing is noticed where that is switched off, until it is switched on")
    func off() async throws {
        let world = try World(more: "auto-reload = false")
        try await world.start()
        try world.module("Late", check: "exit 1")
        try await Task.sleep(for: .seconds(2))
        #expect(try world.list().modules.isEmpty)
        let conf = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try world.write(conf.replacing("auto-reload = false", with: ""), to: "crd.conf")
        #expect(try await world.reload().output == "crd.conf has changed; new: Late\n")
        try world.module("Later", check: "exit 1")
        try await appears("Later", in: world)
        try world.write(conf, to: "crd.conf")
        try await world.reload()
        try world.write("description = 'x'\n", to: "modules/Late/module.toml")
        try await Task.sleep(for: .seconds(2))
        #expect(try world.listed("Late").runs == 1)
    }

    @Test("an executable that is only touched, or replaced by its like, has not changed")
    func touched() async throws {
        let world = try World()
        try world.module(
            "Guard", check: "exit 0",
            response: """
                echo run >>'\(world.notes)/runs'
                touch response
                chmod 755 check
                cp -p check check.new
                mv check.new check
                """)
        try await world.start()
        try await eventually("it has run") { world.notedLines("runs").count >= 1 }
        try await Task.sleep(for: .seconds(5))
        // Nobody knows what they were before the first touch.
        #expect(world.notedLines("runs").count <= 2)
        try world.script("echo new >>'\(world.notes)/new'; exit 1", at: "modules/Guard/check")
        try await eventually("that is another") { world.note("new") != nil }
    }

    @Test("a link to a module is followed, through all others, wherever it leads")
    func links() async throws {
        let world = try World()
        for version in ["v1", "v2"] {
            _ = try prepare(
                version, in: world, check: "echo \(version) >>'\(world.notes)/M'; exit 1")
        }
        func point(_ link: String, to target: String) throws {
            try FileManager.default.createSymbolicLink(
                atPath: "\(world.directory)/new", withDestinationPath: target)
            try move("\(world.directory)/new", to: "\(world.directory)/\(link)")
        }
        try point("current", to: "v1")
        try point("modules/M", to: "../current")
        try await world.start()
        try await world.runs(1, of: "M")
        try point("current", to: "v2")
        try await eventually("the new version is checked") {
            world.notedLines("M") == ["v1", "v2"]
        }
        try world.write("description = 'changed'\n", to: "v2/module.toml")
        try await eventually("it is checked anew") { world.notedLines("M").count == 3 }
    }

    @Test("what kept a module from running is mended: it runs") func mended() async throws {
        let world = try World()
        let path = try world.module(
            "Log",
            check: """
                [ -e '\(world.notes)/opened' ] || chmod 777 .
                : >'\(world.notes)/opened'
                exit 0
                """)
        try await world.start()
        try await eventually("its response is refused") {
            try world.listed("Log").state == "failed"
        }
        let reason = try world.listed("Log").reason ?? ""
        #expect(reason.hasPrefix("\(path)") && reason.contains("run: chmod go-w"), "\(reason)")
        chmod(path, 0o755)
        try await eventually("it responds") { try world.listed("Log").responses > 0 }
        #expect(try world.listed("Log").reason == nil)
    }

    @Test("who could be changed by others is refused at once, and says so") func refused()
        async throws
    {
        let world = try World()
        let path = try world.module("Log", check: "exit 1")
        try await world.start()
        try await world.runs(1, of: "Log")
        chmod(path, 0o777)
        try await eventually("it is refused") { try world.listed("Log").state == "failed" }
        let reason = try world.listed("Log").reason ?? ""
        #expect(reason.hasSuffix("; until then it does not run"), "\(reason)")
        #expect(reason.components(separatedBy: "chmod go-w").count == 2, "told once: \(reason)")
        chmod(path, 0o755)
        try await eventually("it is well") {
            let module = try world.listed("Log")
            return module.state == "idle" && module.reason == nil
        }
    }

    @Test("a file system that is mounted over a module is noticed, and its end")
    func mounts() async throws {
        guard geteuid() == 0 else { return }
        let world = try World()
        try world.module("Log", check: "echo below >>'\(world.notes)/Log'; exit 1")
        _ = try prepare("above", in: world, check: "echo above >>'\(world.notes)/Log'; exit 1")
        let daemon = try await world.start([
            "/usr/bin/unshare", "--mount", "--propagation", "private",
        ])
        try await world.runs(1, of: "Log")
        func run(_ command: String) async throws {
            let outcome = try await Outcome.of(
                [
                    "/usr/bin/nsenter", "--target", "\(daemon.pid)", "--mount", "/bin/sh", "-c",
                    command,
                ],
                in: world.directory)
            #expect(outcome.code == 0, "\(outcome)")
        }
        try await run("mount --bind '\(world.directory)/above' '\(place("Log", in: world))'")
        try await eventually("what is above") { world.notedLines("Log") == ["below", "above"] }
        try await run("umount '\(place("Log", in: world))'")
        try await eventually("what is below") { world.notedLines("Log").last == "below" }
    }
}
