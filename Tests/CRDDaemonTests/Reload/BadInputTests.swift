// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A fault of a module, and the complaint about it.
struct BadModule: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// The place in the modules' directory that the complaint names.
    var file: String
    /// Part of the complaint: what is wrong, or what to do.
    var says: String
    /// What check-config says where it looks into executables and the daemon does not.
    var checkSays: String?
    /// Makes the module.
    var make: @Sendable (World) throws -> Void

    static let all = [
        BadModule(testDescription: "no check", file: "Bad/check", says: "needs an executable") {
            try $0.module("Bad", check: "")
            unlink("\($0.directory)/modules/Bad/check")
        },
        BadModule(testDescription: "no response", file: "Bad/response", says: "needs an executable")
        {
            try $0.module("Bad", check: "")
            unlink("\($0.directory)/modules/Bad/response")
        },
        BadModule(testDescription: "not executable", file: "Bad/check", says: "run: chmod +x") {
            try $0.module("Bad", check: "")
            chmod("\($0.directory)/modules/Bad/check", 0o644)
        },
        BadModule(
            testDescription: "no #! line", file: "Bad/check",
            says: "make '#!/bin/sh' or the like its first line"
        ) {
            try $0.module("Bad", check: "")
            try $0.write("exit 0\n", to: "modules/Bad/check", mode: 0o755)
        },
        BadModule(
            testDescription: "no interpreter", file: "Bad/check",
            says: "interpreter its #! line names",
            checkSays: "names the interpreter /nowhere/sh, which is not there"
        ) {
            try $0.module("Bad", check: "#!/nowhere/sh\n")
        },
        BadModule(
            testDescription: "a response with a carriage return", file: "Bad/response",
            says: "carriage return", checkSays: "run: sed -i 's/\\r$//'"
        ) {
            try $0.module("Bad", check: "exit 0", response: "#!/bin/sh\r\nexit 0\r\n")
        },
        BadModule(
            testDescription: "an empty check", file: "Bad/check", says: "with a #! line",
            checkSays: "is empty; put a program"
        ) {
            try $0.module("Bad", check: "")
            try $0.write("", to: "modules/Bad/check", mode: 0o755)
        },
        BadModule(
            testDescription: "a pointer of git-lfs", file: "Bad/check", says: "with a #! line",
            checkSays: "run git lfs pull"
        ) {
            try $0.module("Bad", check: "")
            try $0.write(
                "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                to: "modules/Bad/check", mode: 0o755)
        },
        BadModule(
            testDescription: "a program for MIPS", file: "Bad/check",
            says: "program for this machine", checkSays: "is a program for MIPS"
        ) {
            try $0.module("Bad", check: "")
            let ident = "\u{7F}ELF\u{2}\u{1}\u{1}" + String(repeating: "\0", count: 9)
            try $0.write(
                ident + "\u{2}\0\u{8}\0" + String(repeating: "\0", count: 44),
                to: "modules/Bad/check", mode: 0o755)
        },
        BadModule(
            testDescription: "a check with an ending", file: "Bad/check",
            says: "needs an executable", checkSays: "check.sh is there: rename it to check"
        ) {
            let path = try $0.module("Bad", check: "")
            rename("\(path)/check", "\(path)/check.sh")
        },
        BadModule(
            testDescription: "an unknown key", file: "Bad/module.toml:2:1", says: "timeout"
        ) {
            try $0.module("Bad", check: "exit 0", manifest: "enabled = true\ntimeuot = \"20s\"")
        },
        BadModule(testDescription: "no TOML", file: "Bad/module.toml:1:", says: "value") {
            try $0.module("Bad", check: "exit 0", manifest: "interval = = 5")
        },
        BadModule(testDescription: "an unknown user", file: "Bad/module.toml:2:8", says: "no user")
        {
            try $0.module("Bad", check: "exit 0", manifest: "\nuser = \"nobody-of-this-name\"")
        },
        BadModule(testDescription: "a bad name", file: "Bäd", says: "is not a valid module name") {
            try $0.module("Bäd", check: "exit 0")
        },
        BadModule(testDescription: "a dangling link", file: "Bad", says: "leads nowhere") {
            symlink("/nowhere", "\($0.directory)/modules/Bad")
        },
        BadModule(testDescription: "a dangling check", file: "Bad/check", says: "leads nowhere") {
            try $0.module("Bad", check: "")
            unlink("\($0.directory)/modules/Bad/check")
            symlink("/nowhere", "\($0.directory)/modules/Bad/check")
        },
        BadModule(testDescription: "a directory as check", file: "Bad/check", says: "regular file")
        {
            try $0.module("Bad", check: "")
            unlink("\($0.directory)/modules/Bad/check")
            try $0.makeDirectory("modules/Bad/check")
        },
        BadModule(testDescription: "a directory others write", file: "Bad", says: "chmod go-w") {
            chmod(try $0.module("Bad", check: "exit 0"), 0o777)
        },
        BadModule(testDescription: "a manifest others write", file: "Bad/module.toml", says: "o-w")
        {
            let path = try $0.module("Bad", check: "exit 0", manifest: "enabled = true")
            chmod("\(path)/module.toml", 0o646)
        },
        BadModule(testDescription: "the name of a support module", file: "Bad", says: "rename one")
        {
            try $0.module("Bad", check: "exit 0")
            try $0.makeDirectory("support/Bad")
            try $0.script("exit 0", at: "support/Bad/Bad")
        },
    ]
}

@Suite("Bad input", .takesTurns)
struct BadInputTests {
    @Test("in a module is named with its remedy, and the others run on", arguments: BadModule.all)
    func badModule(bad: BadModule) async throws {
        let world = try World(interval: "100ms")
        try bad.make(world)
        try world.module("Good", check: "exit 1")
        let place = "\(world.directory)/modules/\(bad.file)"
        func isTold(_ text: String) -> Bool { text.contains(place) && text.contains(bad.says) }

        try await world.start()
        try await world.runs(3, of: "Good")
        try await eventually("the log tells") { world.lines.contains(where: isTold) }
        let isBad = { (module: Listing.Module) in module.name == "Bad" && module.kind == "user" }
        if try world.list().modules.contains(where: isBad) {
            // It may just be retrying.
            var reason: String?
            try await eventually("it is listed as failed") {
                let module = try world.list().modules.first(where: isBad)
                reason = module?.reason
                return module?.state == "failed"
            }
            #expect(isTold(reason ?? ""), "\(reason ?? "no reason")")
        } else {
            #expect(bad.file == "Bäd")
        }
        // Once when read and once when tried, not with every attempt.
        try await Task.sleep(for: .milliseconds(300))
        let told = world.lines.filter { isTold($0) && !$0.contains("condition held") }
        #expect(told.count <= 2, "\(told)")

        let outcome = try await world.crd(["check-config"])
        let lines = outcome.output.split(separator: "\n").map(String.init)
        #expect(outcome.code == 1)
        let said = bad.checkSays ?? bad.says
        #expect(lines.contains { $0.contains(place) && $0.contains(said) }, "\(lines)")
        #expect(lines.allSatisfy { $0.contains(#/^\/[^:]+:\d+:\d+: /#) }, "\(lines)")
    }

    @Test("check-config is silent where all is well")
    func allWell() async throws {
        let world = try World()
        try world.module("Good", check: "exit 1", manifest: "timeout = \"5s\"")
        for name in [".hidden", "old~", "Good.bak", "Good.dpkg-new"] {
            try world.makeDirectory("modules/\(name)")
        }
        for place in ["modules", "support"] {
            try world.makeDirectory("\(place)/lost+found")
            try world.write("a file is no module", to: "\(place)/README")
        }
        let outcome = try await world.crd(["check-config"])
        #expect(outcome.code == 0)
        #expect(outcome.output.isEmpty && outcome.errors.isEmpty)
        try await world.start()
        #expect(try world.list().modules.map(\.name) == ["Good"])
        #expect(!world.lines.contains { $0.contains("lost+found") })
    }

    @Test("of several complaints the one that explains the others comes first")
    func explanation() async throws {
        let world = try World()
        try world.module(
            "Bad", check: "exit 1", manifest: "[[trigger.journal]]\nfield = 'X'\npatern = 'died'")
        try await world.start()
        let listed = try world.listed("Bad")
        #expect(
            listed.reason?.contains("did you mean 'trigger.journal.pattern'?") == true, "\(listed)")
        let outcome = try await world.crd(["check-config"])
        #expect(outcome.output.split(separator: "\n").count == 3, "\(outcome)")
        try world.write("[[trigger.path]]\npth = '/tmp'\n", to: "modules/Bad/module.toml")
        let other = try await world.crd(["check-config"])
        #expect(
            other.output.split(separator: "\n").first?.hasSuffix(
                "did you mean 'trigger.path.path'?") == true, "\(other)")
    }

    @Test("what can never match is a warning of check-config and of the log, and runs all the same")
    func warnings() async throws {
        let world = try World()
        try world.module(
            "Doubtful", check: "exit 1",
            manifest: "[[trigger.path]]\npath = '\(world.directory)/none/*.log'\n")
        func isTold(_ line: String, _ severity: String = "") -> Bool {
            line.contains("Doubtful/module.toml:2:8: \(severity)'trigger.path.path': there is no ")
        }
        let outcome = try await world.crd(["check-config"])
        #expect(outcome.code == 0)
        #expect(outcome.output.split(separator: "\n").count == 1)
        #expect(isTold(outcome.output, "warning: "), "\(outcome.output)")
        try await world.start()
        try await world.runs(1, of: "Doubtful")
        #expect(world.lines.count { isTold($0) && $0.hasPrefix("crd: warning: ") } == 1)
        // A module that is new to a running daemon.
        try world.write(
            "interval = '1min'\n[[trigger.path]]\npath = '\(world.directory)/?'\n",
            to: "modules/Doubtful/module.toml")
        #expect(try await world.crd(["reload"]).code == 0)
        try await eventually("it is told again") {
            world.lines.count { $0.hasPrefix("crd: warning: ") && $0.contains("module.toml:3:8: ") }
                == 1
        }
    }

    @Test("a module's directory that vanishes while it runs harms nobody else")
    func vanishing() async throws {
        let world = try World(interval: "100ms")
        let path = try world.module(
            "Gone", check: "rm -rf '\(world.directory)/modules/Gone'; exit 0")
        try world.module("Good", check: "exit 1")
        try await world.start()
        try await eventually("it has failed") {
            world.lines.contains { $0.hasPrefix("crd: error: Gone: ") && $0.contains(path) }
        }
        try await eventually("it is gone") { try world.list().modules.map(\.name) == ["Good"] }
        let runs = try world.listed("Good").runs
        try await world.runs(runs + 3, of: "Good")
        try world.module("Gone", check: "exit 1")
        try await eventually("it is back") {
            try world.list().modules.contains { $0.name == "Gone" && $0.state == "idle" }
        }
    }

    @Test("in crd.conf ends the daemon with 78 and every complaint")
    func badConfiguration() async throws {
        let world = try World(more: "slots = 0\nouput-max = 5")
        for command in ["daemon", "list"] {
            let outcome = try await world.crd([command])
            #expect(outcome.code == 78)
            #expect(outcome.errors.contains("crd: \(world.configuration):8:9: 'slots'"))
            #expect(outcome.errors.contains("crd: \(world.configuration):9:1: "))
            #expect(outcome.errors.contains("output-max"))
        }
        let check = try await world.crd(["check-config"])
        #expect(check.code == 1)
        #expect(check.output.split(separator: "\n").count == 2)
    }

    @Test("a configuration that is named and is not there, or no file, ends with 78")
    func noConfiguration() async throws {
        let world = try World()
        for (file, says) in [("nowhere.conf", "is not there"), ("modules", "not a regular file")] {
            let path = "\(world.directory)/\(file)"
            let outcome = try await world.crd(["daemon", "--config", path])
            #expect(outcome.code == 78)
            #expect(outcome.errors.hasPrefix("crd: \(path):1:1: "))
            #expect(outcome.errors.contains(says))
            let check = try await world.crd(["--config", path, "check-config"])
            #expect(check.code == 78)
            #expect(check.output.hasPrefix("\(path):1:1: "))
        }
    }

    @Test(
        "whatever the command, and nothing of the default one is shown or done",
        arguments: [
            ["list"], ["list", "--json"], ["reload"], ["verify"], ["search"], ["remove", "Log"],
            ["upgrade", "Log"], ["new", "Log"], ["install", "Log"], ["check-repository", "."],
            ["-x", "Log"],
        ])
    func absentConfiguration(command: [String]) async throws {
        let world = try World()
        let path = "\(world.directory)/nowhere.conf"
        for name in [path, "\(world.directory)/modules"] {
            let outcome = try await world.crd(["--config", name] + command)
            #expect(outcome.code == 78, "\(outcome)")
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors.hasPrefix("crd: \(name):1:1: "), "\(outcome)")
            let environment = World.environment.merging(["CRD_CONFIG": name]) { $1 }
            #expect(try await world.crd(command, environment: environment).code == 78)
        }
    }

    @Test("G13: a configuration that others can write is not believed")
    func writableConfiguration() async throws {
        let world = try World()
        chmod(world.configuration, 0o666)
        let outcome = try await world.crd(["daemon"])
        #expect(outcome.code == 78)
        #expect(outcome.errors.contains("chmod go-w '\(world.configuration)'"))
    }

    @Test("a directory of modules that is not there is complained about, and waited for by nobody")
    func noModules() async throws {
        let world = try World()
        rmdir("\(world.directory)/modules")
        try await world.start()
        #expect(
            world.lines.contains {
                $0.contains("\(world.directory)/modules") && $0.contains("make the directory")
            })
        #expect(try world.list().modules.isEmpty)
    }

    @Test(
        "what a user may not read or make is named, with what to do",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func unprivileged() async throws {
        let world = try World()
        let state = try await world.crd(["daemon"], prefix: Surroundings.asNobody)
        #expect(state.code == 1)
        #expect(state.errors.contains("mkdir '\(world.directory)/state'"))
        #expect(state.errors.contains("name other directories with 'state' and 'runtime'"))

        chmod(world.configuration, 0o600)
        let configuration = try await world.crd(["daemon"], prefix: Surroundings.asNobody)
        #expect(configuration.code == 78)
        #expect(configuration.errors.hasPrefix("crd: \(world.configuration):1:1: "))
        #expect(configuration.errors.lowercased().contains("permission denied"))
    }

    @Test(
        "a daemon that is not root refuses roles of other users, and runs the rest",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func unprivilegedDaemon() async throws {
        let world = try World()
        for name in ["state", "run"] { chown(try world.makeDirectory(name), 65534, 65534) }
        try world.module("Plain", check: "id -u >'\(world.notes)/uid'")
        try world.module("Switch", check: "exit 0", manifest: "user = \"daemon\"")
        try world.module("Same", check: "exit 1", manifest: "user = \"nobody\"")
        try await world.start(Surroundings.asNobody)
        try await world.runs(1, of: "Plain")
        try await world.runs(1, of: "Same")
        #expect(world.notedLines("uid") == ["65534"])
        let reason = try world.listed("Switch").reason ?? ""
        #expect(reason.contains("module.toml:1:8: 'user'") && reason.contains("run crd as root"))
        #expect(try await world.crd(["check-config"], prefix: Surroundings.asNobody).code == 0)
    }
}
