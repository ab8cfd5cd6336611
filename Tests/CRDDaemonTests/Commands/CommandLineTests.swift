// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// How crd is called: from odd places, with odd descriptors, in any order.
@Suite(
    "The command line", .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"),
    .takesTurns)
struct CommandLineTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
        try repository.module("queue", ["queue": "true", "install": "echo out; echo err >&2"])
        try await repository.commit()
    }

    /// Runs a shell's script in the world's directory: `$1` is crd, `$2` the repository.
    private func shell(_ script: String) async throws -> Outcome {
        try await .of(
            [
                "/bin/sh", "-c", "cd \"$3\"; \(script)", "sh", Binary.path, repository.path,
                world.directory,
            ],
            environment: world.environment, in: world.directory)
    }

    @Test(
        "--install and -l, in any order",
        arguments: [
            "-l \"$2\" --install queue --yes", "--yes --ref HEAD --install queue -l\"$2\"",
            "--install=queue --yes --location=\"$2\"", "-l \"$2\" queue --yes",
            "--install queue -l./xh --yes", "-l./xh queue --yes",
            "--install queue -l ./repository/ --yes",
            "install --yes queue -l ./repository/../repository",
        ])
    func order(options: String) async throws {
        // The name's letters are options, too.
        let outcome = try await shell("ln -s repository xh; exec \"$1\" \(options)")
        #expect(outcome.output.contains("installed queue"), "\(outcome)")
    }

    @Test("a working directory that is gone")
    func goneDirectory() async throws {
        for command in ["list", "-x queue"] {
            let outcome = try await shell(
                "mkdir gone; cd gone; rmdir ../gone; exec \"$1\" --config crd.conf \(command)")
            #expect(outcome.code == 78, "\(outcome)")
            #expect(outcome.errors.contains("give the absolute path"), "\(outcome)")
        }
    }

    @Test("output that cannot be written is not success")
    func fullOutput() async throws {
        let outcome = try await shell("exec \"$1\" list --json >/dev/full")
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("standard output: No space left"), "\(outcome)")
    }

    @Test("closed descriptors: no file of crd's is taken for one of them")
    func closedDescriptors() async throws {
        let outcome = try await shell("exec \"$1\" --install queue -l \"$2\" --yes <&- >&- 2>&-")
        #expect(outcome.code == 0)
        let lock = try String(
            contentsOfFile: "\(world.directory)/state/daemon/install.lock", encoding: .utf8)
        #expect(!lock.contains("out") && !lock.contains("err"), "\(lock)")
    }

    @Test("nor where -x puts in order what was left half done; the module finds them closed")
    func closedForExecution() async throws {
        try repository.module(
            "queue",
            [
                "queue": "true",
                "install": "touch '\(world.notes)/begun'; \(world.forever)",
            ])
        try repository.module("tool", ["tool": "[ ! -e /proc/$$/fd/2 ]"])
        try await repository.commit()
        try #require(try await world.install("tool", "-l", repository.path).code == 0)
        let program = try world.begin(["--install", "queue", "--yes", "-l", repository.path])
        try await eventually("install has begun") { world.marks.contains("begun") }
        program.send(SIGKILL)
        _ = try await program.end()
        #expect(try await shell("exec \"$1\" -x tool 2>&-").code == 0)
        let lock = try String(
            contentsOfFile: "\(world.directory)/state/daemon/install.lock", encoding: .utf8)
        #expect(!lock.contains("crd"), "\(lock)")
    }

    @Test("a signal that crd was started to ignore is ignored")
    func hangUp() async throws {
        try repository.module("queue", ["install": "kill -HUP $PPID; sleep 0.5"])
        try await repository.commit()
        #expect(try await shell("exec nohup \"$1\" --install queue -l \"$2\" --yes").code == 0)
        #expect(try await world.crd(["remove", "queue"]).code == 0)
        #expect(try await shell("exec \"$1\" --install queue -l \"$2\" --yes").code == 1)
    }
}
