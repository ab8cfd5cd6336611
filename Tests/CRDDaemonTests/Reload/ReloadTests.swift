// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The real daemon, told to read its files again.
@Suite("G11: A reload", .takesTurns)
struct ReloadTests {
    /// A world whose daemon reads its files again only when told to.
    static func world(interval: String = "1h", more: String = "") throws -> World {
        try World(interval: interval, more: "auto-reload = false\n\(more)")
    }

    private func signal(_ name: String) -> String { "[[trigger.signal]]\nsignal = '\(name)'\n" }

    // MARK: What changes

    @Test("takes in what is new, changed and gone, says so, and checks it at once")
    func difference() async throws {
        let world = try Self.world()
        for name in ["Same", "Other", "Gone"] {
            try world.module(name, check: "echo run >>'\(world.notes)/\(name)'; exit 1")
        }
        try await world.start()
        for name in ["Same", "Other", "Gone"] { try await world.runs(1, of: name) }

        try world.module("New", check: "exit 1")
        try world.script(
            "printf '%s\\n' \"$LEVEL\" >>'\(world.notes)/Other'; exit 1", at: "modules/Other/check")
        try world.write("environment = { LEVEL = '7' }", to: "modules/Other/module.toml")
        try FileManager.default.removeItem(atPath: "\(world.directory)/modules/Gone")
        let outcome = try await world.reload()
        #expect(outcome.code == 0)
        #expect(outcome.output == "new: New; changed: Other; gone: Gone\n")
        try await world.runs(1, of: "New")
        try await world.runs(2, of: "Other")
        #expect(world.notedLines("Other") == ["run", "7"])
        #expect(try world.listed("New").last?.trigger == "start")
        #expect(try world.list().modules.map(\.name) == ["New", "Other", "Same"])
        #expect(world.notedLines("Same") == ["run"], "nothing has happened to it")
        #expect(
            world.lines.contains("crd: reloaded: 1 new (New), 1 changed (Other), 1 gone (Gone)"))

        // A new module takes over a free number.
        try world.module("Late", check: "exit 1")
        #expect(try await world.reload().output == "new: Late\n")
        try await world.runs(1, of: "Late")
        #expect(try await world.reload().output == "nothing has changed\n")
    }

    @Test("fails as long as the kernel refuses an executable, and no longer")
    func refusedByKernel() async throws {
        let world = try Self.world()
        try world.module("Dos", check: "#!/bin/sh\r\nexit 1\r\n")
        try world.module("Fine", check: "exit 1")
        try await world.start()
        try await eventually("its check cannot run") {
            try world.listed("Dos").state == "failed"
        }
        for _ in 1...2 {
            let outcome = try await world.reload()
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("modules/Dos/check"), "\(outcome)")
            #expect(!outcome.errors.contains("Fine"))
        }
        try world.script("exit 1", at: "modules/Dos/check")
        #expect(try await world.reload().code == 0)
    }

    @Test("by SIGHUP is the same, and the log tells how it went") func hangup() async throws {
        let world = try Self.world()
        let daemon = try await world.start()
        try world.module("New", check: "exit 1")
        daemon.send(SIGHUP)
        try await world.runs(1, of: "New")
        #expect(world.lines.contains("crd: reloaded: 1 new (New)"))
        daemon.send(SIGHUP)
        try await eventually("it is told") {
            world.lines.contains("crd: reloaded: nothing has changed")
        }
    }

    @Test("of a module that runs changes nothing for that run, ten times over, five with faults")
    func duringRun() async throws {
        let world = try Self.world()
        try world.module(
            "Busy", check: "echo output; echo \"$LEVEL\" >>'\(world.notes)/checks'; exit 0",
            response: """
                read -r given
                echo "begin $given $LEVEL $CRD_RUN $$" >>'\(world.notes)/responses'
                until [ -e '\(world.notes)/go' ]; do sleep 0.05; done
                echo "end $given $LEVEL $CRD_RUN $$" >>'\(world.notes)/responses'
                """,
            manifest: "environment = { LEVEL = '0' }\n\(signal("USR1"))")
        let daemon = try await world.start()
        try await eventually("it responds") { world.note("responses") != nil }
        let run = try #require(world.notedLines("responses").first)
        for round in 1...10 {
            let key = round % 2 == 0 ? "environment" : "enviroment"
            try world.write(
                "\(key) = { LEVEL = '\(round)' }\n\(signal("USR1"))",
                to: "modules/Busy/module.toml")
            let outcome = try await world.reload()
            #expect(outcome.code == (round % 2 == 0 ? 0 : 1), "\(outcome)")
            if round % 2 == 1 {
                #expect(outcome.errors.contains("module.toml:1:1: unknown key 'enviroment'"))
            }
            #expect(try world.listed("Busy").state == "responding")
        }
        daemon.send(SIGUSR1)
        try await eventually("it is pending") { try world.listed("Busy").pending == 1 }
        try world.write("", to: "notes/go")
        try await world.runs(2, of: "Busy")
        #expect(
            world.notedLines("responses").prefix(2)
                == [run, "end" + run.dropFirst("begin".count)])
        // Events during the run are served by what the files say by then.
        #expect(world.notedLines("checks") == ["0", "10"])
        #expect(try world.listed("Busy").last?.trigger == "signal")
    }

    @Test("lets a module that is gone finish its run, with nothing left of it")
    func goneDuringRun() async throws {
        let world = try Self.world()
        let path = try world.module(
            "Gone", check: "exit 0",
            response: """
                echo begin >>'\(world.notes)/responses'
                until [ -e '\(world.notes)/go' ]; do sleep 0.05; done
                \(world.forever) &
                echo end >>'\(world.notes)/responses'
                """)
        try await world.start()
        try await eventually("it responds") { world.note("responses") != nil }
        try FileManager.default.moveItem(atPath: path, toPath: "\(world.directory)/aside")
        #expect(try await world.reload().output == "gone: Gone\n")
        #expect(try world.listed("Gone").state == "responding")

        // It comes back before that run has ended: never two runs at once.
        try FileManager.default.moveItem(atPath: "\(world.directory)/aside", toPath: path)
        #expect(try await world.reload().output == "new: Gone\n")
        #expect(try world.list().daemon?.running == 1)
        try FileManager.default.moveItem(atPath: path, toPath: "\(world.directory)/aside")
        #expect(try await world.reload().output == "gone: Gone\n")

        try world.write("", to: "notes/go")
        try await eventually("it is gone") { try world.list().modules.isEmpty }
        #expect(world.notedLines("responses") == ["begin", "end"])
        try await eventually("nothing is left") { world.sleepers().isEmpty }
    }

    @Test("keeps what waits for a changed module, and counts from before")
    func pending() async throws {
        let world = try Self.world()
        let watched = try world.makeDirectory("watched")
        let path = "interval = 'off'\n\(PathTests.trigger(watched))"
        let witness = try Witness(
            "Log", in: world, manifest: "settle = '1h'\n\(path)")
        try await world.start()
        try await witness.runs(1)
        try PathTests.create("\(watched)/before")
        try await eventually("it is pending") { try world.listed("Log").pending > 0 }
        let pending = try world.listed("Log").pending
        // The trigger and its watch stay the same: files in between are not lost either.
        try world.write("settle = '2h'\n\(path)", to: "modules/Log/module.toml")
        chmod("\(world.directory)/modules/Log/check", 0o755)
        try PathTests.create("\(watched)/between")
        #expect(try await world.reload().output == "changed: Log\n")
        let runs = try await witness.runs(2)
        #expect(runs[1].count >= pending + 1)
        let names = try runs[1].events.map(\.path.text)
        #expect(names.contains("\(watched)/before") && names.contains("\(watched)/between"))
    }

    @Test("watches for other triggers, and no longer for those that are gone")
    func triggers() async throws {
        let world = try Self.world()
        let (first, second) = (try world.makeDirectory("a"), try world.makeDirectory("b"))
        let witness = try Witness(
            "Log", in: world,
            manifest: "cooldown = '0s'\n\(PathTests.trigger(first))\(signal("USR1"))")
        let daemon = try await world.start()
        try await witness.runs(1)
        try world.write(
            "cooldown = '0s'\n\(PathTests.trigger(second))\(signal("USR2"))",
            to: "modules/Log/module.toml")
        #expect(try await world.reload().output == "changed: Log\n")
        #expect(try await witness.runs(2)[1].trigger == "start")
        try PathTests.create("\(first)/file")
        daemon.send(SIGUSR1)
        try PathTests.create("\(second)/file")
        #expect(try await witness.runs(3)[2].path == Array("\(second)/file".utf8))
        daemon.send(SIGUSR2)
        try await eventually("the signal") { witness.runs.contains { $0.trigger == "signal" } }
        let lines = witness.runs.flatMap(\.lines)
        #expect(!lines.contains { $0.contains("SIGUSR1") || $0.contains("\(first)/file") })
        // No trigger at all: only polled.
        try world.write("", to: "modules/Log/module.toml")
        #expect(try await world.reload().output == "changed: Log\n")
        // The check at this reload may be due to "start", or to an event that still waited.
        try await eventually("it is at rest") {
            let module = try world.listed("Log")
            return module.state == "idle" && module.pending == 0
        }
        try PathTests.create("\(second)/other")
        daemon.send(SIGUSR2)
        try await eventually("the signal is told") {
            world.lines.contains { $0.contains("signal \(SIGUSR2) ") && $0.contains("ignored") }
        }
        let later = witness.runs.flatMap(\.lines)
        #expect(later.count { $0.contains("SIGUSR2") } == 1)
        #expect(!later.contains { $0.contains("\(second)/other") })
    }

    @Test("turns modules off and on") func enabled() async throws {
        let world = try Self.world()
        let witness = try Witness("Log", in: world, manifest: "enabled = false\n\(signal("USR1"))")
        let daemon = try await world.start()
        #expect(try world.listed("Log").state == "disabled")
        try world.write(signal("USR1"), to: "modules/Log/module.toml")
        #expect(try await world.reload().code == 0)
        try await witness.runs(1)
        try world.write("enabled = false\n\(signal("USR1"))", to: "modules/Log/module.toml")
        #expect(try await world.reload().code == 0)
        #expect(try world.listed("Log").state == "disabled")
        daemon.send(SIGUSR1)
        try await eventually("nobody waits for it") {
            world.lines.contains { $0.contains("signal \(SIGUSR1) ") && $0.contains("ignored") }
        }
        #expect(witness.runs.count == 1)
    }

    // MARK: What is wrong

    @Test("with a faulty manifest leaves that module as it was, and takes the rest")
    func faultyManifest() async throws {
        let world = try Self.world()
        try world.module(
            "Log", check: "echo \"$X\" >>'\(world.notes)/x'; exit 1",
            manifest: "environment = { X = 'old' }\n\(signal("USR1"))")
        try world.module("Other", check: "exit 1")
        let daemon = try await world.start()
        try await world.runs(1, of: "Log")
        let file = try world.write(
            "environment = { X = 'new' }\ninterval = 'often'\n\(signal("USR1"))",
            to: "modules/Log/module.toml")
        try world.write("description = 'other'", to: "modules/Other/module.toml")
        let outcome = try await world.reload()
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("crd: \(file):2:12: 'interval': "))
        #expect(outcome.errors.contains("their previous content stays active"))
        #expect(world.lines.contains { $0.hasPrefix("crd: error: \(file):2:12: ") })
        let log = try world.listed("Log")
        #expect(log.state == "idle")
        #expect(log.reason?.hasPrefix("\(file):2:12: ") == true, "\(log)")
        #expect(
            log.reason?.hasSuffix(
                "; then run: crd reload; until then the previous content stays active") == true)
        daemon.send(SIGUSR1)
        try await world.runs(2, of: "Log")
        try await world.runs(2, of: "Other")
        #expect(world.notedLines("x") == ["old", "old"])

        try world.write(
            "environment = { X = 'new' }\n\(signal("USR1"))", to: "modules/Log/module.toml")
        #expect(try await world.reload().output == "changed: Log\n")
        try await world.runs(3, of: "Log")
        #expect(world.notedLines("x") == ["old", "old", "new"])
        #expect(try world.listed("Log").reason == nil)
    }

    @Test(
        "with a faulty crd.conf goes on by what it said before",
        arguments: [
            ("slots = 'many'\n", "5:9: 'slots' must be"), ("[", "5:2: "),
        ])
    func faultyConfiguration(line: String, complaint: String) async throws {
        let world = try World(interval: "50ms", more: "auto-reload = false")
        try world.module("Log", check: "exit 1")
        try await world.start()
        let good = try String(contentsOfFile: world.configuration, encoding: .utf8)
        let lines = good.split(separator: "\n").filter { !$0.hasPrefix("interval") }.prefix(4)
        try world.write(lines.joined(separator: "\n") + "\n\(line)", to: "crd.conf")
        kill(try #require(world.daemon?.pid), SIGHUP)
        try await eventually("it is told") {
            world.lines.contains {
                $0.hasPrefix("crd: error: \(world.configuration):\(complaint)")
                    && $0.hasSuffix("until then the previous content stays active")
            }
        }
        let outcome = try await world.reload()
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("\(world.configuration):\(complaint)"), "\(outcome)")
        let before = try world.listed("Log").runs
        try await world.runs(before + 5, of: "Log")
        #expect(try world.list().daemon?.complaints?.count == 1)

        try world.write(good.replacing("50ms", with: "1h"), to: "crd.conf")
        #expect(try await world.reload().output == "crd.conf has changed\n")
        #expect(try world.list().daemon?.complaints == [])
        // An earlier run may be under way.
        try await eventually("it rests") { try world.listed("Log").state == "idle" }
        let after = try world.listed("Log").runs
        try await Task.sleep(for: .milliseconds(500))
        #expect(try world.listed("Log").runs == after)
    }

    @Test("mends a module that could not run") func mended() async throws {
        let world = try Self.world()
        let path = try world.module("Log", check: "exit 1", manifest: "intervall = 3")
        try await world.start()
        #expect(try world.listed("Log").state == "failed")
        try world.write("interval = 3600\n", to: "modules/Log/module.toml")
        #expect(try await world.reload().output == "changed: Log\n")
        try await world.runs(1, of: "Log")
        #expect(try world.listed("Log").reason == nil)
        chmod(path, 0o777)
        #expect(try await world.reload().code == 1)
        #expect(try world.listed("Log").reason?.contains("chmod go-w") == true)
        chmod(path, 0o755)
        #expect(try await world.reload().code == 0)
        // A run refused meanwhile determines its state until the next one has ended.
        try await eventually("it is well") { try world.listed("Log").reason == nil }
    }

    @Test(
        "fails as long as anything is refused, whoever has noticed it first",
        arguments: ["manifest", "new module", "executable", "support module", "crd.conf"])
    func refusedBefore(what: String) async throws {
        let world = try World()
        let log = try world.module("Log", check: "exit 1")
        try world.makeDirectory("support/tool")
        try world.script("true", at: "support/tool/tool")
        try await world.start()
        #expect(try await world.reload().code == 0)
        var complaint = "unknown key 'nonsense'"
        switch what {
        case "manifest": try world.write("nonsense = 1\n", to: "modules/Log/module.toml")
        case "new module": try world.module("New", check: "exit 1", manifest: "nonsense = 1")
        case "executable":
            complaint = "is not executable; run: chmod +x '\(log)/check'"
            chmod("\(log)/check", 0o644)
        case "support module":
            complaint = "is not executable; run: chmod +x '\(world.directory)/support/tool/tool'"
            chmod("\(world.directory)/support/tool/tool", 0o644)
        default:
            let good = try String(contentsOfFile: world.configuration, encoding: .utf8)
            try world.write("\(good)nonsense = 1\n", to: "crd.conf")
        }
        if !["support module", "crd.conf"].contains(what) {
            // By itself, or when the module was to run.
            try await eventually("the daemon has noticed") {
                try world.list().modules.contains { $0.reason?.contains(complaint) == true }
            }
        }
        for _ in 0..<2 {
            let outcome = try await world.reload()
            #expect(outcome.code == 1 && outcome.errors.contains(complaint), "\(outcome)")
        }
        switch what {
        case "manifest": try world.write("", to: "modules/Log/module.toml")
        case "new module": try world.write("", to: "modules/New/module.toml")
        case "executable": chmod("\(log)/check", 0o755)
        case "support module": chmod("\(world.directory)/support/tool/tool", 0o755)
        default:
            let bad = try String(contentsOfFile: world.configuration, encoding: .utf8)
            try world.write(bad.replacing("nonsense = 1\n", with: ""), to: "crd.conf")
        }
        #expect(try await world.reload().code == 0)
    }

    @Test("that nobody answers, or that others ask for, fails with a reason")
    func refused() async throws {
        let world = try Self.world()
        let outcome = try await world.reload()
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.hasPrefix(
                "crd: no daemon answers at \(world.socket); start it (crd daemon)"))
        guard geteuid() == 0 else { return }
        try await world.start()
        chmod(world.socket, 0o666)
        let nobody = try await world.crd(
            ["reload"],
            prefix: ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        #expect(nobody.code == 1)
        #expect(nobody.errors.contains("only root may change anything"), "\(nobody)")
        #expect(!world.lines.contains { $0.contains("reloaded") })
    }

    // MARK: crd.conf

    @Test("takes over what crd.conf says, but for the directories that are in use")
    func configuration() async throws {
        let world = try Self.world(more: "slots = 1\noutput-max = 10")
        for name in ["A", "B", "C"] {
            try world.module(
                name, check: "echo 123456789012345; exit 0",
                response: """
                    cat >>'\(world.notes)/\(name)'
                    until [ -e '\(world.notes)/go' ]; do sleep 0.05; done
                    """)
        }
        try await world.start()
        try await eventually("one runs") { world.note("A") != nil }
        #expect(try world.list().daemon?.running == 1)
        let conf = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try world.write(
            conf.replacing("slots = 1", with: "slots = 3")
                .replacing("output-max = 10", with: "output-max = 12")
                .replacing("\(world.directory)/state", with: "\(world.directory)/elsewhere"),
            to: "crd.conf")
        #expect(try await world.reload().output == "crd.conf has changed\n")
        try await eventually("all run") { try world.list().daemon?.running == 3 }
        #expect(world.notedLines("A") == ["1234567890"])
        try await eventually("it is given") { world.notedLines("C") == ["123456789012"] }
        #expect(try world.list().daemon?.slots == 3)
        #expect(world.lines.contains { $0.contains("'state' and 'runtime' cannot be changed") })
        #expect(access("\(world.directory)/elsewhere", F_OK) != 0)
        try world.write("", to: "notes/go")

        // Other modules in another place.
        try world.makeDirectory("others")
        try world.write(
            conf.replacing("\(world.directory)/modules", with: "\(world.directory)/others"),
            to: "crd.conf")
        let outcome = try await world.reload()
        #expect(outcome.output == "crd.conf has changed; gone: A, B, C\n", "\(outcome)")
    }

    // MARK: Many of them

    @Test("a hundred times over leaves no descriptor behind, and nothing undone")
    func storm() async throws {
        let world = try Self.world()
        let watched = try world.makeDirectory("watched")
        let witness = try Witness(
            "Log", in: world, manifest: "cooldown = '0s'\n\(PathTests.trigger(watched))")
        let daemon = try await world.start()
        try await witness.runs(1)
        func descriptors() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon.pid)/fd").count
        }
        try await world.reload()
        let before = try descriptors()
        for round in 1...100 {
            try world.write(
                "cooldown = '0s'\ndescription = '\(round)'\n\(PathTests.trigger(watched))",
                to: "modules/Log/module.toml")
            daemon.send(SIGHUP)
            try PathTests.create("\(watched)/\(round)")
        }
        try await eventually("all is served") {
            Set(try witness.runs.flatMap { try $0.events.map(\.path.text) })
                .isSuperset(of: (1...100).map { "\(watched)/\($0)" })
        }
        try await world.reload()
        try await eventually("it rests") { try world.listed("Log").state == "idle" }
        #expect(try descriptors() <= before + 4)
        #expect(world.note("overlap") == nil)
    }

    @Test(
        "that was refused is seen by who asks, whatever is wrong with crd.conf",
        arguments: [
            "slots = 'many'", "[[[", "frobnicate = 1",
        ])
    func listing(line: String) async throws {
        let world = try Self.world()
        try world.module("Log", check: "exit 1")
        try await world.start()
        let good = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try world.write("\(good)\(line)\n", to: "crd.conf")
        let outcome = try await world.reload()
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("\(world.configuration):"), "\(outcome)")
        #expect(world.lines.contains { $0.hasPrefix("crd: not reloaded: ") })
        let list = try await world.crd(["list"])
        #expect(list.code == 0 && list.output.contains("Log"), "\(list)")
        #expect(list.errors.contains("until then the previous content stays active"))
        try await world.stop()
        #expect(try await world.crd(["list"]).code == 78)
    }

    @Test("never pulls away what a run under way works with") func stateDirectory() async throws {
        guard geteuid() == 0 else { return }
        let world = try Self.world()
        try world.module(
            "Log",
            check: """
                : >'\(world.notes)/'"$(id -un)"
                until [ -e '\(world.notes)/go' ]; do sleep 0.05; done
                echo x >"$CRD_STATE/$(id -un)" && : >'\(world.notes)/written'
                exit 1
                """,
            manifest: "user = 'nobody'")
        try await world.start()
        try await eventually("it runs") { world.note("nobody") != nil }
        try world.write("user = 'daemon'\n", to: "modules/Log/module.toml")
        #expect(try await world.reload().output == "changed: Log\n")
        try world.write("", to: "notes/go")
        try await world.runs(1, of: "Log")
        #expect(world.note("written") != nil)
        try await eventually("it runs as another") { world.note("daemon") != nil }
    }
}
