// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: G12, an installation ends complete or leaves the machine as it was, and says what happened.
/// Method: modules whose scripts fail in every way that scripts can.
@Suite(
    "G12: All or nothing", .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"),
    .takesTurns)
struct FailingInstallTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
    }

    struct Failure: CustomTestStringConvertible {
        var testDescription: String
        /// What install does, after it has made three files.
        var install: String
        /// What rollback does; nil where there is none.
        var rollback: String? = "rm -f $NOTES/a $NOTES/b $NOTES/c; echo rolled back"
        var manifest = ""
        /// What crd says.
        var says: [String]
        var marks: [String] = []
        var isKeptAside = false
    }

    private static let failures = [
        Failure(
            testDescription: "exit code", install: "echo so far; exit 3",
            says: [
                "'install' of queue ended with exit code 3", "    so far", "    rolled back",
                "nothing of queue is left",
            ]),
        Failure(
            testDescription: "signal", install: "kill -9 $$",
            says: ["ended with signal 9", "nothing of queue is left"]),
        Failure(
            testDescription: "timeout", install: "setsid sleep 300 & sleep 300",
            manifest: "[install]\ntimeout = \"3s\"",
            says: ["took longer than 3s", "[install]", "nothing of queue is left"]),
        Failure(
            testDescription: "timeout for both roles", install: "sleep 300",
            manifest: "timeout = \"3s\"", says: ["took longer than 3s"]),
        Failure(
            testDescription: "deaf to SIGTERM", install: "trap '' TERM; sleep 300; sleep 300",
            manifest: "[install]\ntimeout = \"3s\"", says: ["took longer than 3s"]),
        Failure(
            testDescription: "no rollback", install: "exit 4", rollback: nil,
            says: ["exit code 4", "has no 'rollback'", "has not been undone"],
            marks: ["a", "b", "c"]),
        Failure(
            testDescription: "rollback fails", install: "exit 5",
            rollback: "rm -f $NOTES/a; echo cannot >&2; exit 9",
            says: [
                "exit code 5", "'rollback' ended with exit code 9", "    cannot", "are kept in",
                "state/daemon/aside/queue-",
            ], marks: ["b", "c"], isKeptAside: true),
        Failure(
            testDescription: "rollback hangs", install: "exit 6", rollback: "sleep 300",
            manifest: "[install]\ntimeout = \"3s\"",
            says: ["exit code 6", "'rollback' took longer than 3s", "are kept in"],
            marks: ["a", "b", "c"], isKeptAside: true),
        Failure(
            testDescription: "much output", install: "yes line | head -n 300000; exit 7",
            says: ["exit code 7", "    line\n    line\n"]),
        Failure(
            testDescription: "output that commands terminals",
            install: "printf 'a\\033[2Jb\\n'; exit 8", says: ["    a?[2Jb"]),
    ]

    @Test("whatever install does", arguments: failures)
    func failing(_ failure: Failure) async throws {
        let notes = "NOTES=\(world.notes)\n"
        var scripts = [
            "queue": "true",
            "install": notes + "touch $NOTES/a $NOTES/b $NOTES/c\n\(failure.install)",
        ]
        if let rollback = failure.rollback { scripts["rollback"] = notes + rollback }
        try repository.module("queue", scripts, manifest: failure.manifest)
        try await repository.commit()
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1)
        for text in failure.says {
            #expect(outcome.errors.contains(text), "\(text): \(outcome.errors)")
        }
        #expect(world.marks == failure.marks)
        let aside = world.remains.filter { $0.hasPrefix("state/daemon/aside/") }
        #expect(aside.contains { $0.hasSuffix("/rollback") } == failure.isKeptAside)
        #expect(world.remains.filter { !aside.contains($0) } == [])
        #expect(Processes.mentioning(world.directory).isEmpty)
        #expect(try await world.crd(["-x", "queue"]).code == 127)
        // Nothing prevents a better version.
        try repository.module("queue", ["install": "exit 0"])
        try await repository.commit()
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
    }

    @Test(
        "an install that cannot even be started",
        arguments: [
            ("#!/nowhere/sh\n", "names the interpreter /nowhere/sh"),
            ("no script\n", "nor a script with a #! line"),
        ])
    func unstartable(text: String, why: String) async throws {
        try repository.module(
            "queue", ["queue": "true", "rollback": "touch \(world.notes)/undone"])
        try repository.write(text, to: "queue/install", mode: 0o755)
        try await repository.commit()
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("none of it was executed"), "\(outcome.errors)")
        #expect(outcome.errors.contains(why), "\(outcome.errors)")
        #expect(world.marks == [] && world.remains == [])
    }

    #if arch(x86_64)
        @Test("an install that looks like a program, and is none to the kernel")
        func hollowProgram() async throws {
            try repository.module(
                "queue", ["queue": "true", "rollback": "touch \(world.notes)/undone"])
            let ident = "\u{7F}ELF\u{2}\u{1}\u{1}" + String(repeating: "\0", count: 9)
            try repository.write(
                ident + "\u{2}\0\u{3E}\0" + String(repeating: "\0", count: 44),
                to: "queue/install", mode: 0o755)
            try await repository.commit()
            let outcome = try await world.install("queue", "-l", repository.path)
            #expect(outcome.code == 1 && outcome.errors.contains("exit code 126"), "\(outcome)")
            #expect(world.marks == ["undone"] && world.remains == [])
        }
    #endif

    @Test(
        "an install that spoils the module's own files, and what can be said of that",
        arguments: [
            (
                "rm -rf \"$PWD\"; exit 3",
                ["exit code 3", "its 'rollback' with them", "not been undone"]
            ),
            ("rm -f rollback; exit 3", ["exit code 3", "has no 'rollback'"]),
            ("rm -f queue", ["cannot be used", "nothing of queue is left"]),
            ("chmod 777 .", ["cannot be used", "can be written by", "are kept in"]),
            ("cp queue check; cp queue response", ["cannot be used", "nothing of queue is left"]),
            ("mv \"$PWD\" \"$PWD.x\"; ln -s \"$PWD.x\" \"$PWD\"", ["has moved or replaced"]),
        ])
    func spoiling(install: String, says: [String]) async throws {
        try repository.module(
            "queue", ["queue": "true", "install": install, "rollback": "exit 0"])
        try await repository.commit()
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1)
        for text in says { #expect(outcome.errors.contains(text), "\(text): \(outcome.errors)") }
        #expect(!world.remains.contains("support/queue"))
        #expect(!world.remains.contains("state/daemon/install.json"))
    }

    @Test("what cannot be removed is named, and keeps nobody from changing modules")
    func unremovable() async throws {
        let deep = "for i in $(seq 200); do mkdir d; cd d; done; exit 3"
        try repository.module("queue", ["queue": "true", "install": deep, "rollback": "exit 0"])
        try await repository.commit()
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("exit code 3"))
        #expect(outcome.errors.contains("could not be removed"), "\(outcome.errors)")
        #expect(!world.remains.contains { $0.hasPrefix("support/") })
        #expect(try await world.crd(["new", "other"]).code == 0)
        #expect(try await world.crd(["check-config"]).errors == "")
        _ = try await Outcome.of(
            ["/bin/rm", "-rf", "\(world.directory)/state/daemon/aside"], in: world.directory)
    }

    @Test(
        "Ctrl-C ends install and all it has started, and undoes it",
        arguments: [SIGINT, SIGTERM, SIGHUP])
    func interrupted(signal: CInt) async throws {
        try repository.module(
            "queue",
            [
                "queue": "true", "rollback": "rm \(world.notes)/begun",
                "install": "touch \(world.notes)/begun; \(world.forever) & \(world.forever)",
            ])
        try await repository.commit()
        let program = try world.begin(["--install", "queue", "--yes", "-l", repository.path])
        try await eventually("install has begun") {
            world.marks == ["begun"] && world.sleepers().count == 2
        }
        program.send(signal)
        #expect(try await program.end() == 1)
        #expect(world.marks == [] && world.remains == [] && world.sleepers().isEmpty)
        #expect(world.said().contains("'install' of queue was interrupted"))
    }

    @Test(
        "Ctrl-C ends it also while nobody reads what it prints",
        arguments: [
            (before: "", errors: ""), (before: "", errors: "2>&1"),
            (before: "head -c 65536 /dev/zero >&3;", errors: "2>&1"),
        ])
    func unread(before: String, errors: String) async throws {
        let mark = "\(world.notes)/begun"
        try repository.module(
            "queue",
            [
                "queue": "true", "rollback": "rm \(mark); seq 100000",
                "install": "touch \(mark); yes",
            ])
        try await repository.commit()
        let program = try Program(
            [
                "/bin/sh", "-c",
                "cd \"$1\"; mkfifo unread; exec 3<>unread; \(before) exec \"$2\" --install queue --yes -l \"$3\" >unread \(errors)",
                "sh", world.directory, Binary.path, repository.path,
            ], environment: world.environment, output: "\(world.directory)/said",
            errors: "\(world.directory)/said")
        try await eventually("there is a pipe, and the change has begun") {
            ["unread", "state/daemon/install.json"].allSatisfy {
                FileManager.default.fileExists(atPath: "\(world.directory)/\($0)")
            }
        }
        let pipe = open("\(world.directory)/unread", O_RDWR | O_NONBLOCK | O_CLOEXEC)
        defer { close(pipe) }
        try await eventually("it is full") {
            var count: CInt = 0
            return ioctl(pipe, UInt(FIONREAD), &count) == 0 && count > 60_000
        }
        program.send(SIGINT)
        if errors.isEmpty {
            #expect(try await program.end() == 1)
        } else {
            try await eventually("all is undone") { world.marks == [] && world.remains == [] }
            // Nobody reads its last message either.
            try await eventually("another ends it") {
                program.send(SIGINT)
                return program.hasEnded
            }
        }
        #expect(world.marks == [] && world.remains == [])
    }

    @Test("a module that appears in the place meanwhile is not touched")
    func conflict() async throws {
        let place = "\(world.directory)/support/queue"
        try repository.module(
            "queue",
            [
                "queue": "echo theirs", "rollback": "rm \(world.notes)/made",
                "install": "touch \(world.notes)/made; mkdir \(place); echo mine >\(place)/queue",
            ])
        try await repository.commit()
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1 && outcome.errors.contains("somebody else has made"))
        #expect(try String(contentsOfFile: "\(place)/queue", encoding: .utf8) == "mine\n")
        #expect(world.marks == [])
        #expect(world.remains == ["support/queue", "support/queue/queue"])
    }

    @Test("no rollback is run where no install was, and nobody's state is taken from its user")
    func nothingPrepared() async throws {
        try repository.module(
            "queue", ["queue": "true", "rollback": "touch \(world.notes)/undone"])
        try await repository.commit()
        try world.makeDirectory("state")
        try world.makeDirectory("state/modules")
        let state = try world.makeDirectory("state/modules/queue")
        chown(state, 65_534, 65_534)
        // The receipt's digests cannot be made without the program for them.
        let tools = try world.makeDirectory("tools")
        symlink("/usr/bin/git", "\(tools)/git")
        try world.script("exit 1", at: "tools/sha256sum")
        let outcome = try await world.crd(
            ["--install", "queue", "--yes", "-l", repository.path],
            environment: ["CRD_CONFIG": world.configuration, "PATH": tools])
        #expect(
            outcome.code == 1 && outcome.errors.contains("sha256sum: "), "\(outcome)")
        #expect(world.marks == [] && world.remains == ["state/modules/queue"])
        try repository.module("queue", ["install": "true"])
        try await repository.commit()
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        var status = stat()
        #expect(stat(state, &status) == 0 && status.st_uid == 65_534)
    }

    @Test("a directory of somebody's that would be in the way is left alone")
    func inTheWay() async throws {
        try repository.module("queue", ["queue": "true"])
        try await repository.commit()
        try world.makeDirectory("support/.queue.installing")
        try world.write("precious", to: "support/.queue.installing/file")
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1 && outcome.errors.contains(".queue.installing is in the way"))
        #expect(
            world.remains == ["support/.queue.installing", "support/.queue.installing/file"])
    }

    @Test(
        "a full disk", .enabled(if: MountNamespace.isPossible, "\(MountNamespace.needs)"),
        arguments: ["support", "state"])
    func fullDisk(what: String) async throws {
        try repository.module(
            "queue",
            [
                "queue": "true", "install": "touch \(world.notes)/a",
                "rollback": "rm -f \(world.notes)/a",
            ])
        try repository.write(Self.noise, to: "queue/data")
        try await repository.commit()
        try world.makeDirectory("state")
        let script = """
            mount -t tmpfs -o size=1m,mode=755 none \(world.directory)/\(what) || exit 99
            \(Binary.path) --install queue --yes -l \(repository.path)
            code=$?
            find \(world.directory)/support -mindepth 1
            exit $code
            """
        let outcome = try await Outcome.of(
            ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script],
            environment: world.environment,
            in: world.directory)
        #expect(outcome.code == 1, "\(outcome)")
        #expect(outcome.output == "")
        #expect(
            outcome.errors.contains("does not fit on the disk")
                || outcome.errors.contains("is there room in the directories that 'modules'"),
            "\(outcome)")
        #expect(world.marks == [])
    }

    /// Three megabytes that do not compress.
    private static let noise: String = {
        var generator = SystemRandomNumberGenerator()
        return (0..<200_000).map { _ in
            String(UInt64.random(in: 0 ... .max, using: &generator), radix: 36)
        }
        .joined()
    }()
}
