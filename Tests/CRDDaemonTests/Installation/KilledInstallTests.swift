// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: G12 holds across SIGKILL, whenever it comes.
/// Method: strace(1) kills crd at the Nth call of each kind that changes anything, for every N
/// until the command completes; then the next crd command must leave all or nothing.
@Suite(
    "G12: Killed in the middle",
    .enabled(
        if: GitRepository.isPossible && Surroundings.find("strace") != nil, "needs git and strace"),
    .serialized, .takesTurns)
struct KilledInstallTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
        for version in ["1", "2"] {
            let notes = world.notes
            try repository.module(
                "queue",
                [
                    "queue": "echo version \(version)",
                    "install":
                        "rm -f \(notes)/only-*; touch \(notes)/only-\(version); sleep 0.01; "
                        + "echo \(version) >\(notes)/version",
                    "rollback": "rm -f \(notes)/only-\(version) \(notes)/version",
                ])
            try await repository.commit()
            try await repository.git("tag", "v\(version)")
        }
    }

    /// Between two calls of these, nothing on the disk changes and nothing is started.
    private static let calls = [
        "mkdir", "rename", "renameat2", "unlink", "unlinkat", "rmdir", "fsync", "syncfs", "clone3",
        "ftruncate", "fchmod",
    ]

    /// Whether the version is in effect, complete, and nothing else is there.
    private func isInForce(_ version: String) async throws -> Bool {
        let run = try await world.crd(["-x", "queue"])
        let verification = try await world.crd(["verify", "queue"])
        let files = ["install", "queue", "rollback"].map { "support/queue/\($0)" }
        let remains = ["state/daemon/receipts/queue.json", "state/modules/queue", "support/queue"]
        return run.output == "version \(version)\n" && verification.code == 0
            && world.marks == ["only-\(version)", "version"]
            && world.note("version") == "\(version)\n"
            && world.remains == (remains + files).sorted()
    }

    private var isGone: Bool { world.marks == [] && world.remains == [] }

    /// Kills the command at each point in turn.
    ///
    /// - Parameters:
    ///   - prepare: runs before each, unless the last one changed nothing.
    ///   - unchanged: the verdict for that.
    ///   - judge: the verdict after the next command; nil for a state that must not be.
    /// - Returns: how often each verdict was given.
    private func killEverywhere(
        _ command: [String], unchanged: String, prepare: () async throws -> Void,
        judge: () async throws -> String?
    ) async throws -> [String: Int] {
        var verdicts: [String: Int] = [:]
        var last: String?
        for call in Self.calls {
            for count in 1... {
                if last != unchanged { try await prepare() }
                let killed = try await world.crd(
                    command,
                    prefix: [
                        // Hundreds of them: other tests go first.
                        Surroundings.find("nice") ?? "nice", "-n", "10",
                        Surroundings.find("strace") ?? "", "-qq", "-o", "/dev/null", "-e",
                        "trace=\(call)", "-e", "inject=\(call):signal=KILL:when=\(count)",
                    ])
                last = nil
                if killed.code == 0 { break }
                try #require(killed.code == 128 + SIGKILL, "\(call) \(count): \(killed)")
                let next = try await world.crd(["check-config"])
                let verdict = try await judge()
                try #require(
                    verdict != nil, "\(call) \(count): \(next), \(world.remains), \(world.marks)")
                last = verdict
                verdicts[verdict ?? "", default: 0] += 1
            }
        }
        return verdicts
    }

    @Test("install: the module is complete, or there is nothing of it")
    func install() async throws {
        let verdicts = try await killEverywhere(
            ["--install", "queue", "--yes", "-l", repository.path, "--ref", "v1"],
            unchanged: "none",
            prepare: {
                guard !isGone else { return }
                try #require(try await world.crd(["remove", "queue"]).code == 0)
                try #require(isGone)
            },
            judge: {
                if isGone { return "none" }
                return try await isInForce("1") ? "complete" : nil
            })
        #expect(verdicts.values.reduce(0, +) >= 30, "\(verdicts)")
        #expect(Set(verdicts.keys) == ["none", "complete"], "\(verdicts)")
    }

    @Test("upgrade: the old version is in force, or the new one")
    func upgrade() async throws {
        let install = ["-l", repository.path, "--ref", "v1"]
        try #require(
            try await world.install("queue", "-l", repository.path, "--ref", "v1").code == 0)
        let verdicts = try await killEverywhere(
            ["upgrade", "queue", "--ref", "v2"], unchanged: "old",
            prepare: {
                if try await isInForce("1") { return }
                try #require(try await world.crd(["remove", "queue"]).code == 0)
                try #require(try await world.crd(["--install", "queue"] + install).code == 0)
                try #require(try await isInForce("1"))
            },
            judge: {
                if try await isInForce("1") { return "old" }
                return try await isInForce("2") ? "new" : nil
            })
        #expect(verdicts.values.reduce(0, +) >= 30, "\(verdicts)")
        #expect(Set(verdicts.keys) == ["old", "new"], "\(verdicts)")
    }

    @Test("remove: the module is complete, or there is nothing of it")
    func remove() async throws {
        let verdicts = try await killEverywhere(
            ["remove", "queue"], unchanged: "complete",
            prepare: {
                if try await isInForce("1") { return }
                try #require(
                    try await world.install("queue", "-l", repository.path, "--ref", "v1").code == 0
                )
            },
            judge: {
                if isGone { return "none" }
                return try await isInForce("1") ? "complete" : nil
            })
        #expect(verdicts.values.reduce(0, +) >= 20, "\(verdicts)")
        #expect(Set(verdicts.keys) == ["none", "complete"], "\(verdicts)")
    }

    // MARK: The next command

    /// Kills an installation while its script runs; the script goes on writing.
    private func killWhileInstalling() async throws {
        try repository.module(
            "slow",
            [
                "slow": "true",
                "install":
                    "touch \(world.notes)/begun; (while :; do touch \(world.notes)/$$; sleep 0.01; done) & \(world.forever)",
                "rollback": "rm -f \(world.notes)/*; touch \(world.notes)/undone",
            ])
        try await repository.commit()
        let program = try world.begin(["--install", "slow", "--yes", "-l", repository.path])
        try await eventually("install has begun") { world.marks.contains("begun") }
        program.send(SIGKILL)
        _ = try await program.end()
        // The script itself ends with crd; the next command finds what it has started.
        try await eventually("the script is gone") { world.sleepers().count <= 1 }
    }

    @Test(
        "any command puts it in order, and says so",
        arguments: [
            ["list"], ["check-config"], ["-x", "slow"], ["verify"], ["remove", "other"],
            ["--install", "queue"], ["search", "x"], ["reload"],
        ])
    func next(command: [String]) async throws {
        try await killWhileInstalling()
        let outcome = try await world.crd(command)
        #expect(
            outcome.errors.hasPrefix(
                "crd: 'install slow' was interrupted; it has been undone, and nothing of it is left\n"
            ),
            "\(outcome)")
        #expect(!outcome.output.contains("interrupted"))
        #expect(world.marks == ["undone"] && world.remains == [])
        #expect(Processes.mentioning(world.notes).isEmpty)
        #expect(!(try await world.crd(command).errors.contains("interrupted")))
    }

    @Test("the same command once more succeeds, where it is done by that")
    func again() async throws {
        let command = ["--install", "queue", "--yes", "-l", repository.path, "--ref", "v1"]
        let strace = [
            Surroundings.find("strace") ?? "", "-qq", "-o", "/dev/null", "-e", "trace=renameat2",
            "-e",
            "inject=renameat2:signal=KILL:when=1",
        ]
        for (command, story) in [
            (command, "it is complete now"),
            (["remove", "queue"], "the module has now been removed"),
        ] {
            #expect(try await world.crd(command, prefix: strace).code == 128 + SIGKILL)
            let again = try await world.crd(command)
            #expect(
                again.code == 0 && again.errors.contains("was interrupted; \(story)"), "\(again)")
            #expect(try await world.crd(command).code == 1)
        }
    }

    @Test("so does the daemon when it starts, before it looks at any module")
    func daemon() async throws {
        try await killWhileInstalling()
        try await world.start()
        #expect(
            world.lines.contains {
                $0.contains("'install slow' was interrupted; it has been undone")
            }, "\(world.lines)")
        #expect(world.marks == ["undone"])
        #expect(!world.remains.contains { $0.contains("slow") })
        #expect(Processes.mentioning(world.notes).isEmpty)
    }

    @Test("a rollback that fails then is told as one that fails at once")
    func failingRollback() async throws {
        try repository.module(
            "slow",
            [
                "slow": "true", "install": "touch \(world.notes)/begun; \(world.forever)",
                "rollback": "exit 7",
            ])
        try await repository.commit()
        let program = try world.begin(["--install", "slow", "--yes", "-l", repository.path])
        try await eventually("install has begun") { world.marks.contains("begun") }
        program.send(SIGKILL)
        _ = try await program.end()
        let errors = try await world.crd(["list"]).errors
        for text in [
            "could not be cleaned up completely", "'rollback' ended with exit code 7",
            "are kept in",
        ] {
            #expect(errors.contains(text), "\(errors)")
        }
        #expect(!errors.contains("nothing of it is left"))
    }

    @Test("while an installation is at work, others leave it alone, and a daemon may start")
    func atWork() async throws {
        try repository.module(
            "slow",
            [
                "slow": "echo slow",
                "install":
                    "touch \(world.notes)/begun; while [ ! -e \(world.notes)/go ]; do sleep 0.05; done",
            ])
        try await repository.commit()
        let program = try world.begin(["--install", "slow", "--yes", "-l", repository.path])
        try await eventually("install has begun") { world.marks == ["begun"] }
        #expect(try await world.crd(["check-config"]).errors == "")
        let early = try await world.crd(["-x", "slow"])
        #expect(early.code == 127 && !early.errors.contains("interrupted"))
        try await world.start()
        #expect(try world.list().modules.isEmpty)
        try world.write("", to: "notes/go")
        #expect(try await program.end() == 0)
        #expect(try await world.crd(["-x", "slow"]).output == "slow\n")
    }

    @Test("a record that says nothing is moved aside, with a word of what to look for")
    func damagedRecord() async throws {
        try #require(try await world.crd(["new", "m"]).code == 0)
        try world.write("{", to: "state/daemon/install.json", mode: 0o600)
        let outcome = try await world.crd(["check-config"])
        #expect(
            outcome.errors.contains("install.json.damaged")
                && outcome.errors.contains(".installing"))
        #expect(try await world.crd(["check-config"]).errors == "")
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
    }
}
