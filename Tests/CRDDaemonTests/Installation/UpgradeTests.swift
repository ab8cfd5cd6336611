// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "What is installed", .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"),
    .takesTurns)
struct UpgradeTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
        try await publish(version: 1)
        try #require(try await world.install("queue", "-l", repository.path).code == 0)
    }

    private func publish(version: Int, ending: String = "true") async throws {
        try await repository.publishQueue(version: version, ending: ending, notes: world.notes)
    }

    private func expectInForce(_ version: Int, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        let run = try await world.crd(["-x", "queue"])
        #expect(run.output == "version \(version)\n", sourceLocation: sourceLocation)
        #expect(world.note("version") == "\(version)\n", sourceLocation: sourceLocation)
        #expect(try await world.crd(["verify"]).code == 0, sourceLocation: sourceLocation)
        #expect(
            !world.remains.contains { $0.hasPrefix("support/.") }, sourceLocation: sourceLocation)
    }

    @Test("upgrade brings the newest version, once")
    func upgrade() async throws {
        try await publish(version: 2)
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(outcome.code == 0 && outcome.output.hasPrefix("upgraded queue, a support module"))
        try await expectInForce(2)
        let again = try await world.crd(["upgrade", "queue"])
        #expect(again.code == 0 && again.output.hasPrefix("nothing newer than queue"))
        #expect(world.notedLines("log") == ["install 1 install", "install 2 upgrade"])
    }

    @Test(
        "an upgrade to what cannot be executed leaves the good version in force",
        arguments: [
            ("#!/bin/sh\r\necho version 2\r\n", "has a carriage return at the end of its #! line"),
            ("echo version 2\n", "make '#!/bin/sh' or the like its first line"),
            ("", "is empty"),
            // Its install might have provided it.
            ("#!/nowhere/sh\n", "has a #! line that names the interpreter /nowhere/sh"),
        ])
    func unexecutable(text: String, says: String) async throws {
        try await publish(version: 2)
        try repository.write(text, to: "queue/queue", mode: 0o755)
        try await repository.commit()
        let check = try await world.crd(["check-repository", repository.path])
        #expect(check.code == 1)
        #expect(check.output.contains(says) == !text.hasPrefix("#!/nowhere"), "\(check)")
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(outcome.code == 1 && outcome.errors.contains(says), "\(outcome)")
        #expect(outcome.errors.contains("the previous version of queue stays active"))
        try await expectInForce(1)
    }

    @Test("an interpreter that install brings is no fault")
    func broughtInterpreter() async throws {
        let interpreter = "\(world.notes)/interpreter"
        try await publish(version: 2, ending: "ln -s /bin/sh \(interpreter)")
        try repository.write("#!\(interpreter)\necho version 2\n", to: "queue/queue")
        try await repository.commit()
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(outcome.code == 0 && outcome.errors.contains("it cannot") == false, "\(outcome)")
        try await expectInForce(2)
    }

    @Test(
        "an upgrade that fails leaves the old version in force, and what it needs",
        arguments: ["exit 3", "kill -9 $$"])
    func failing(ending: String) async throws {
        try await publish(version: 2, ending: ending)
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(
            outcome.code == 1
                && outcome.errors.contains("the previous version of queue stays active"))
        try await expectInForce(1)
        // As with dpkg: the old version's install restores what the new one's rollback removed.
        #expect(
            world.notedLines("log") == [
                "install 1 install", "install 2 upgrade", "rollback 2 upgrade", "install 1 restore",
            ])
    }

    @Test("an upgrade whose install removes the version in force does not claim that it stays")
    func lost() async throws {
        try await publish(version: 2, ending: "rm -rf \"$CRD_DIRECTORY\"; exit 3")
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(outcome.code == 1 && outcome.errors.contains("is gone"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("stays active"))
        try await publish(version: 3)
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        try await publish(version: 4, ending: "rm -rf \"$CRD_DIRECTORY\"")
        #expect(try await world.crd(["upgrade", "queue"]).code == 0)
        try await expectInForce(4)
    }

    @Test("while the new version installs, the old one is in force")
    func meanwhile() async throws {
        try await publish(version: 2, ending: "\(Binary.path) -x queue >\(world.notes)/meanwhile")
        #expect(try await world.crd(["upgrade", "queue"]).code == 0)
        #expect(world.note("meanwhile") == "version 1\n")
        try await expectInForce(2)
    }

    @Test("what somebody has changed is not lost by an upgrade, unless it is forced")
    func changed() async throws {
        try await publish(version: 2)
        try world.script("echo mine", at: "support/queue/queue")
        try world.write("x", to: "support/queue/settings")
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(outcome.code == 1 && outcome.errors.contains("changed queue, extra settings"))
        #expect(try await world.crd(["-x", "queue"]).output == "mine\n")
        #expect(try await world.crd(["upgrade", "queue", "--force"]).code == 0)
        try await expectInForce(2)
    }

    @Test("a module that became another kind, or has gone, stays as it is")
    func otherKind() async throws {
        try await repository.git("rm", "-rq", "queue")
        try repository.module("queue", ["check": "exit 1", "response": "true"])
        try await repository.commit()
        let kind = try await world.crd(["upgrade", "queue"])
        #expect(kind.code == 1 && kind.errors.contains("is now a user module in"))
        try await repository.git("rm", "-rq", "queue")
        try await repository.commit()
        let gone = try await world.crd(["upgrade", "queue"])
        #expect(gone.code == 1 && gone.errors.contains("has no module queue"))
        try await expectInForce(1)
    }

    @Test("what crd has not installed is neither upgraded nor removed by accident")
    func foreign() async throws {
        try world.module("own", check: "exit 1")
        for command in ["upgrade", "remove"] {
            let outcome = try await world.crd([command, "own"])
            #expect(outcome.code == 1 && outcome.errors.contains("was not installed by crd"))
            let unknown = try await world.crd([command, "nobody"])
            #expect(unknown.code == 1 && unknown.errors.contains("there is no module nobody"))
        }
        #expect(world.remains.contains("modules/own/check"))
        #expect(try await world.crd(["remove", "own", "--force"]).code == 0)
        #expect(!world.remains.contains("modules/own"))
    }

    @Test("remove undoes what install did; a rollback that fails keeps the files aside")
    func remove() async throws {
        let outcome = try await world.crd(["remove", "queue"])
        #expect(outcome.code == 0 && outcome.output == "removed queue\n")
        #expect(world.note("version") == nil && world.remains == [])
        #expect(world.notedLines("log").last == "rollback 1 remove")

        try repository.module("queue", ["rollback": "echo cannot; exit 4"])
        try await repository.commit()
        try #require(try await world.install("queue", "-l", repository.path).code == 0)
        let failed = try await world.crd(["remove", "queue"])
        #expect(failed.code == 1)
        for text in [
            "'rollback' ended with exit code 4", "    cannot", "state/daemon/aside/queue-",
        ] {
            #expect(failed.errors.contains(text), "\(failed.errors)")
        }
        #expect(!world.remains.contains { $0.hasPrefix("support/") || $0.contains("receipts/") })
        #expect(world.remains.contains { $0.contains("aside") && $0.hasSuffix("/rollback") })
    }

    @Test("what a module has stored outlives it")
    func stored() async throws {
        try world.write("precious", to: "state/modules/queue/data")
        let outcome = try await world.crd(["remove", "queue"])
        #expect(outcome.code == 0 && outcome.errors.contains("is kept in"))
        #expect(world.remains == ["state/modules/queue", "state/modules/queue/data"])
    }

    @Test("a response of the old version ends as it began")
    func running() async throws {
        try repository.module(
            "m",
            [
                "check": "exit 0",
                "response":
                    "touch \(world.notes)/begun; while [ ! -e \(world.notes)/go ]; do sleep 0.05; done; cat ./text >\(world.notes)/ended",
            ],
            manifest: "interval = \"1h\"")
        try repository.write("old", to: "m/text")
        try await repository.commit()
        try await world.start()
        try #require(try await world.install("m", "-l", repository.path).code == 0)
        try await eventually("the response runs") { world.marks.contains("begun") }
        try repository.write("new", to: "m/text")
        try repository.module("m", ["response": "true", "check": "exit 1"])
        try await repository.commit()
        let upgrade = try world.begin(["upgrade", "m"])
        try await eventually("crd waits for it") {
            world.said().contains(
                "waiting for a run of m to end")
        }
        try world.write("", to: "notes/go")
        #expect(try await upgrade.end() == 0)
        #expect(world.note("ended") == "old")
        try await eventually("the new one is in force") {
            try world.listed("m").last?.check == "exit code 1"
        }
    }

    // MARK: verify

    @Test("verify lists what is changed, missing and extra")
    func verify() async throws {
        let clean = try await world.crd(["verify"])
        #expect(clean.code == 0 && clean.output == "")
        try world.module("own", check: "exit 1")
        #expect(try await world.crd(["verify"]).code == 0)
        try world.write("#!/bin/sh\n", to: "support/queue/queue", mode: 0o755)
        chmod("\(world.directory)/support/queue/install", 0o700)
        unlink("\(world.directory)/support/queue/rollback")
        try world.write("", to: "support/queue/more")
        symlink("queue", "\(world.directory)/support/queue/link")
        try world.write("", to: "support/queue/forged\nqueue missing queue")
        let strange = Array("\(world.directory)/support/queue/not-".utf8) + [0xFF, 0]
        strange.withUnsafeBufferPointer {
            $0.withMemoryRebound(to: CChar.self) { _ = mkfifo($0.baseAddress!, 0o644) }
        }
        let outcome = try await world.crd(["verify", "queue"])
        #expect(outcome.code == 1)
        #expect(
            outcome.output.split(separator: "\n") == [
                "queue changed install", "queue changed queue", "queue missing rollback",
                "queue extra forged?queue missing queue", "queue extra link", "queue extra more",
                "queue extra not-\u{FFFD}",
            ])
        let json = try await world.crd(["verify", "--json"])
        let found = try JSONDecoder().decode([Verification].self, from: Data(json.output.utf8))
        #expect(json.code == 1 && found.map(\.name) == ["own", "queue"])
        #expect(found[1].changed == ["install", "queue"] && found[0].commit == nil)
        #expect(try await world.crd(["verify", "own"]).code == 1)
        try FileManager.default.removeItem(atPath: "\(world.directory)/support/queue")
        #expect(try await world.crd(["verify"]).output.contains("queue missing install"))
        try world.write("{", to: "state/daemon/receipts/broken.json")
        let damaged = try await world.crd(["verify"])
        #expect(damaged.code == 1 && damaged.output.contains("queue missing install"))
        #expect(damaged.errors.contains("broken.json cannot be read"))
    }

    @Test("G15: a file that was made enormous has changed, and nobody reads it")
    func enormous() async throws {
        let check = "\(world.directory)/support/queue/queue"
        // Sparse: reading it would take hours.
        try #require(truncate(check, 4 << 40) == 0)
        let outcome = try await world.crd(["verify", "queue"])
        #expect(outcome.code == 1 && outcome.output == "queue changed queue\n", "\(outcome)")
    }

    @Test(
        "G15: whose file a role's user has a lease on, a command says so and does not wait",
        .enabled(if: Attacker.isPossible, "\(Attacker.needs)"))
    func leased() async throws {
        let queue = "\(world.directory)/support/queue/queue"
        let check = "\(try world.module("Mine", check: "exit 1", manifest: "user = 'news'"))/check"
        Attacker.give(check, to: "news")
        var attackers: [Attacker] = []
        for (file, user) in [(queue, "root"), (check, "news")] {
            attackers.append(
                try .lease(on: file, as: user, noting: "\(world.notes)/leased.\(user)"))
            try await eventually("the lease is had") { world.note("leased.\(user)") != nil }
        }
        var longest = Duration.zero
        func timed(_ command: [String]) async throws -> Outcome {
            let start = ContinuousClock.now
            defer { longest = max(longest, ContinuousClock.now - start) }
            return try await world.crd(command)
        }
        for command in [["verify"], ["verify", "queue"], ["upgrade", "queue"], ["-x", "queue"]] {
            let outcome = try await timed(command)
            #expect(outcome.code == (command[0] == "-x" ? 126 : 1), "\(outcome)")
            #expect(
                (outcome.output + outcome.errors).contains("\(queue) is being written: "),
                "\(outcome)")
        }
        let user = try await timed(["-x", "Mine"])
        #expect(user.code == 126 && user.errors.contains("\(check) is being written: "), "\(user)")
        // One that waits does so for lease-break-time, 45 seconds.
        #expect(longest < .seconds(40))
        for attacker in attackers { try await attacker.end() }
        #expect(try await world.crd(["verify", "queue"]).code == 0)
        #expect(try await world.crd(["-x", "Mine"]).code == 1)
    }

    private struct Verification: Decodable {
        var name: String
        var commit: String?
        var changed: [String]
        var missing: [String]
        var extra: [String]
    }

    // MARK: One at a time

    @Test("two at once wait for each other, and say for whom")
    func lock() async throws {
        try await publish(
            version: 2,
            ending:
                "touch \(world.notes)/begun; while [ ! -e \(world.notes)/go ]; do sleep 0.05; done")
        let first = try world.begin(["upgrade", "queue"])
        try await eventually("install has begun") { world.marks.contains("begun") }
        let second = try world.begin(["remove", "queue"], saying: "said2")
        try await eventually("the second says that it waits") {
            world.said("said2").contains(
                "waiting for process \(first.pid) (\(Binary.path) upgrade queue)")
        }
        try world.write("", to: "notes/go")
        #expect(try await first.end() == 0)
        #expect(try await second.end() == 0)
        #expect(!world.remains.contains { $0.hasPrefix("support/") })
        #expect(world.notedLines("log").suffix(2) == ["install 2 upgrade", "rollback 2 remove"])
    }

    @Test("a script that wants to change modules itself is refused, not left waiting")
    func nested() async throws {
        try await publish(version: 2, ending: "\(Binary.path) remove queue")
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(outcome.code == 1 && outcome.errors.contains("has started this crd"))
        try await expectInForce(1)
    }

    // MARK: crd -x

    @Test("-x from a check and a response: their variables stay, CRD_SUPPORT is added")
    func execution() async throws {
        try world.script(
            "sed s/^/got:/; env | grep -E '^CRD_(MODULE|ROLE|SUPPORT|STATE)=' | sort; exit $1",
            at: "support/show")
        unlink("\(world.directory)/support/show")
        try world.makeDirectory("support/show")
        try world.script(
            "sed s/^/got:/; env | grep -E '^CRD_(MODULE|ROLE|SUPPORT|STATE)=' | sort; exit $1",
            at: "support/show/show")
        try world.module(
            "m", check: "echo from check | crd -x show 0",
            response: "crd -x show 0 >\(world.notes)/response")
        try await world.start()
        try await eventually("the response has run") {
            world.notedLines("response").count == 9
        }
        let state = "\(world.directory)/state/modules/m"
        #expect(
            world.notedLines("response") == [
                "got:got:from check", "got:CRD_MODULE=m", "got:CRD_ROLE=check",
                "got:CRD_STATE=\(state)", "got:CRD_SUPPORT=show", "CRD_MODULE=m",
                "CRD_ROLE=response", "CRD_STATE=\(state)", "CRD_SUPPORT=show",
            ])
        let shell = try await world.crd(["-x", "show", "9"])
        #expect(shell.code == 9 && shell.output == "CRD_SUPPORT=show\n")
    }
}
