// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Modules that somebody has changed since their installation.
@Suite(
    "G12, G13: What was changed by hand",
    .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"),
    .enabled(if: Surroundings.hasNamespaces, "\(Surroundings.needsNamespaces)"), .takesTurns)
struct HandledModuleTests {
    private let world: World
    private let repository: GitRepository
    private let module: String

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
        module = "\(world.directory)/support/queue"
        try await publish(version: 1)
        try #require(try await world.install("queue", "-l", repository.path).code == 0)
    }

    private func publish(version: Int, ending: String = "true") async throws {
        try await repository.publishQueue(version: version, ending: ending, notes: world.notes)
    }

    @Test("a rollback that others could write is not executed", arguments: ["rollback", "."])
    func writableRollback(file: String) async throws {
        chmod("\(module)/\(file)", 0o777)
        for options in [[], ["--force"]] {
            let outcome = try await world.crd(["remove", "queue"] + options)
            #expect(outcome.code == 1)
            #expect(
                outcome.errors.contains("'rollback' of queue is not executed")
                    && outcome.errors.contains("run: chmod go-w"), "\(outcome)")
        }
        #expect(world.notedLines("log") == ["install 1 install"])
        chmod("\(module)/\(file)", 0o755)
        #expect(try await world.crd(["remove", "queue"]).code == 0)
        #expect(world.notedLines("log") == ["install 1 install", "rollback 1 remove"])
    }

    @Test("nor is the install of the version that stays in force")
    func writableInstall() async throws {
        chmod("\(module)/install", 0o777)
        try await publish(version: 2, ending: "exit 3")
        let outcome = try await world.crd(["upgrade", "queue", "--force"])
        #expect(outcome.code == 1 && outcome.errors.contains("can be written by"), "\(outcome)")
        #expect(
            world.notedLines("log")
                == ["install 1 install", "install 2 upgrade", "rollback 2 upgrade"])
        #expect(try await world.crd(["-x", "queue"]).output == "version 1\n")
    }

    @Test("the receipt of a module that was removed by hand is not taken for another's")
    func staleReceipt() async throws {
        try FileManager.default.removeItem(atPath: module)
        try world.makeDirectory("support/queue")
        try world.script("echo mine", at: "support/queue/queue")
        var outcome = try await world.crd(["remove", "queue"])
        #expect(outcome.code == 1 && outcome.errors.contains("was not installed by crd"))
        #expect(try await world.crd(["-x", "queue"]).output == "mine\n")

        try FileManager.default.removeItem(atPath: module)
        #expect(try await world.crd(["new", "queue", "--support"]).code == 0)
        outcome = try await world.crd(["remove", "queue"])
        #expect(outcome.code == 1 && outcome.errors.contains("give --force"))
        #expect(!world.remains.contains("state/daemon/receipts/queue.json"))
        #expect(try await world.crd(["remove", "queue", "--force"]).code == 0)
    }

    @Test("a damaged receipt: the message's remedy works")
    func damagedReceipt() async throws {
        try world.write("{", to: "state/daemon/receipts/queue.json")
        let outcome = try await world.crd(["upgrade", "queue"])
        #expect(
            outcome.code == 1
                && outcome.errors.contains("run crd remove queue --force, and install"))
        #expect(try await world.crd(["remove", "queue", "--force"]).code == 0)
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
    }

    @Test("what is mounted in a module is neither moved nor emptied")
    func mounted() async throws {
        let precious = try world.makeDirectory("precious")
        try world.write("kept", to: "precious/file")
        let data = "\(module)/data"
        try FileManager.default.createDirectory(
            atPath: data, withIntermediateDirectories: false)
        let mount = Namespace.mount.entering("mount --bind '\(precious)' '\(data)'")
        for command in [["remove", "queue"], ["upgrade", "queue", "--force"]] {
            let outcome = try await world.crd(command, prefix: mount)
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("run: umount '\(data)'"), "\(outcome)")
        }
        // A mount that nobody could foresee.
        try await publish(
            version: 2, ending: "mkdir data; mount --bind '\(precious)' data; exit 3")
        let outcome = try await world.crd(
            ["upgrade", "queue", "--force"], prefix: Namespace.mount.entering("true"))
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("could not be removed"), "\(outcome)")
        #expect(try String(contentsOfFile: "\(precious)/file", encoding: .utf8) == "kept")
    }

    @Test("one that cannot be moved stays in force, and keeps nobody from changing others")
    func immovable() async throws {
        try await publish(
            version: 2, ending: "mount --bind \"$CRD_DIRECTORY\" \"$CRD_DIRECTORY\"")
        let outcome = try await world.crd(
            ["upgrade", "queue"], prefix: Namespace.mount.entering("true"))
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains("findmnt") && outcome.errors.contains("stays active"),
            "\(outcome)")
        #expect(
            world.notedLines("log") == [
                "install 1 install", "install 2 upgrade", "rollback 2 upgrade", "install 1 restore",
            ])
        #expect(try await world.crd(["-x", "queue"]).output == "version 1\n")
        let other = try await world.crd(["new", "other"])
        #expect(other.code == 0 && other.errors == "", "\(other)")
        #expect(try await world.crd(["verify", "queue"]).code == 0)
    }

    /// The mounts of its scripts go with crd.
    private func installStuck() async throws -> Outcome {
        try await world.crd(
            ["--install", "stuck", "--yes", "-l", repository.path],
            prefix: Namespace.mount.entering("true"))
    }

    @Test(
        "what cannot be put aside stays where it is, and keeps nobody from changing others",
        arguments: [
            "mount --bind . .", "mount --bind $ASIDE $ASIDE; mount -o remount,ro,bind $ASIDE",
        ])
    func keptInPlace(mount: String) async throws {
        try repository.module(
            "stuck",
            [
                "stuck": "true",
                "install": "ASIDE=\(world.directory)/state/daemon/aside; \(mount); exit 3",
                "rollback": "echo rollback >>\(world.notes)/stuck; exit 7",
            ])
        try await repository.commit()
        let outcome = try await installStuck()
        let place = "\(world.directory)/support/.stuck.installing"
        #expect(outcome.code == 1 && outcome.errors.contains("are kept in \(place)"), "\(outcome)")
        #expect(!outcome.errors.contains("nothing of stuck is left"))
        let other = try await world.crd(["new", "other"])
        #expect(other.code == 0 && other.errors == "", "\(other)")
        #expect(world.notedLines("stuck") == ["rollback"])
        #expect(world.remains.contains("support/.stuck.installing/rollback"))
        let again = try await installStuck()
        #expect(again.code == 1 && again.errors.contains("\(place) is in the way"), "\(again)")
    }

    @Test("where something could not be removed, nobody says that nothing is left")
    func notCleared() async throws {
        try repository.module(
            "stuck", ["stuck": "true", "install": "mount --bind . .; exit 3", "rollback": "true"])
        try await repository.commit()
        let outcome = try await installStuck()
        #expect(outcome.code == 1 && outcome.errors.contains("could not be removed"), "\(outcome)")
        #expect(!outcome.errors.contains("nothing of stuck is left"), "\(outcome)")
    }

    // MARK: Runs

    /// Installs a user module that responds once.
    private func run(_ response: String, manifest: String = "") async throws {
        try repository.module(
            "m", ["check": "mkdir '\(world.notes)/once'", "response": response],
            manifest: "interval = \"1h\"\n" + manifest)
        try await repository.commit()
        try await world.start()
        try #require(try await world.install("m", "-l", repository.path).code == 0)
    }

    @Test(
        "a response may change its own module",
        arguments: [["upgrade", "m", "--force"], ["remove", "m"]],
        ["", "env -i CRD_CONFIG=\"$CRD_CONFIG\" "])
    func itself(command: [String], prefix: String) async throws {
        let words = command.joined(separator: " ")
        try await run(
            "\(prefix)'\(Binary.path)' \(words) >'\(world.notes)/said' 2>&1; echo $? >'\(world.notes)/code'"
        )
        try await eventually("it has") { world.note("code") != nil }
        #expect(world.note("code") == "0\n", "\(world.note("said") ?? "")")
        #expect(world.note("said")?.contains("waiting") == false)
    }

    @Test(
        "a response is of the version that its check was of, wherever that works",
        arguments: ["", "cd /;", "exec env -i"])
    func sameVersion(beginning: String) async throws {
        let loop =
            "touch '\(world.notes)/begun'; until [ -e '\(world.notes)/go' ]; do sleep 0.05; done"
        let check = "\(beginning) sh -c \"\(loop)\""
        try repository.write("old", to: "m/text")
        try repository.module(
            "m", ["check": check, "response": "cat text >'\(world.notes)/answer'"],
            manifest: "interval = \"1h\"")
        try await repository.commit()
        try await world.start()
        try #require(try await world.install("m", "-l", repository.path).code == 0)
        try await eventually("the check runs") { world.marks.contains("begun") }
        try repository.write("new", to: "m/text")
        try repository.module("m", ["check": "exit 1"])
        try await repository.commit()
        let upgrade = try world.begin(["upgrade", "m"])
        try await eventually("crd waits for it") {
            world.said().contains("waiting for a run of m to end")
        }
        try world.write("", to: "notes/go")
        #expect(try await upgrade.end() == 0)
        #expect(world.note("answer") == "old")
    }

    @Test("what a response had leave to leave behind is not waited for")
    func keptLeftovers() async throws {
        try await run("setsid \(world.forever) &", manifest: "leftovers = \"keep\"")
        try await eventually("it has answered") { (try? world.listed("m"))?.responses == 1 }
        try await eventually("what it left runs") { world.sleepers().count == 1 }
        let outcome = try await world.crd(["remove", "m"])
        #expect(outcome.code == 0 && !outcome.errors.contains("waiting"), "\(outcome)")
    }

    // MARK: Where from

    @Test(
        "another place, or another branch, is followed from then on, also if it has nothing newer")
    func follows() async throws {
        let copy = "\(world.directory)/copy"
        try FileManager.default.copyItem(atPath: repository.path, toPath: copy)
        let outcome = try await world.crd(["upgrade", "queue", "-l", copy, "--ref", "HEAD"])
        #expect(outcome.code == 0 && outcome.output.hasPrefix("nothing newer"), "\(outcome)")
        try FileManager.default.removeItem(atPath: repository.path)
        let next = try await world.crd(["upgrade", "queue"])
        #expect(next.code == 0 && next.output.hasPrefix("nothing newer"), "\(next)")
    }

    @Test("a name that is not UTF-8 is no fault")
    func notText() async throws {
        try await publish(version: 2, ending: "touch \"$(printf 'a\\377')\"")
        #expect(try await world.crd(["upgrade", "queue"]).code == 0)
        let outcome = try await world.crd(["verify", "queue"])
        #expect(outcome.code == 0, "\(outcome)")
    }

    @Test("a file's name is its bytes")
    func names() async throws {
        try repository.write("a", to: "queue/\u{e9}")
        try await repository.commit()
        #expect(try await world.crd(["upgrade", "queue"]).code == 0)
        try FileManager.default.moveItem(
            atPath: "\(module)/\u{e9}", toPath: "\(module)/other")
        #expect(rename("\(module)/other", "\(module)/e\u{301}") == 0)
        let outcome = try await world.crd(["verify", "queue"])
        #expect(outcome.code == 1)
        #expect(
            outcome.output.contains("missing") && outcome.output.contains("extra"), "\(outcome)")
    }
}
