// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: a module gets from a repository to its place, by every route.
/// Method: real git over paths, git's own daemon and smart HTTP; the crd that the build made.
@Suite(
    "crd --install", .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"),
    .takesTurns)
struct InstallationTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World()
        repository = try await GitRepository(in: world.directory)
    }

    /// A support module that notes what is done to it.
    private func queue(in directory: String = "support/queue") async throws -> String {
        try repository.module(
            directory,
            [
                "queue": "echo \"queue $*\"; exit 7",
                "install": "echo out; echo err >&2; touch \(world.notes)/installed",
                "rollback": "rm -f \(world.notes)/installed",
            ], manifest: "description = \"Keeps things in a row\"")
        return try await repository.commit()
    }

    // MARK: Ways and places

    @Test(
        "from anywhere in a repository",
        arguments: ["", "queue", "modules/queue", "support/queue"])
    func places(directory: String) async throws {
        let commit = try await queue(in: directory.isEmpty ? "." : directory)
        let outcome = try await world.install("queue", "-l", repository.url)
        #expect(outcome.code == 0, "\(outcome)")
        #expect(
            outcome.output == "out\ninstalled queue, a support module: commit \(commit)\n")
        #expect(outcome.errors.contains("\nerr\n"))
        let run = try await world.crd(["-x", "queue", "a", "b"])
        #expect(run.code == 7 && run.output == "queue a b\n")
        #expect(world.marks == ["installed"])
        let files = ["install", "module.toml", "queue", "rollback"].map { "support/queue/\($0)" }
        #expect(
            world.remains
                == (["state/daemon/receipts/queue.json", "state/modules/queue", "support/queue"]
                + files).sorted())
    }

    @Test("by a path, whole or beginning with a dot, and by a file URL")
    func paths() async throws {
        _ = try await queue()
        let spellings = [
            ("-l \"$3\"", repository.path), ("-l\"$3\"", "./repository"),
            ("--location=\"$3\"", repository.url),
        ]
        for (option, location) in spellings {
            let outcome = try await Outcome.of(
                [
                    "/bin/sh", "-c", "cd \"$1\" && exec \"$2\" \(option) queue --yes", "sh",
                    world.directory, Binary.path, location,
                ],
                environment: world.environment,
                in: world.directory)
            #expect(outcome.code == 0, "\(location): \(outcome)")
            #expect(try await world.crd(["remove", "queue"]).code == 0)
            #expect(world.remains == [] && world.marks == [])
        }
    }

    @Test("from git's own daemon")
    func gitDaemon() async throws {
        _ = try await queue()
        // A port that nobody uses: requested, then released.
        let port = try PortFinder.free()
        let log = "\(world.directory)/git-daemon.log"
        let daemon = try Program(
            [
                Surroundings.find("git") ?? "", "daemon", "--export-all", "--listen=127.0.0.1",
                "--port=\(port)", "--base-path=\(world.directory)", "--reuseaddr",
            ],
            environment: World.environment, output: log, errors: log)
        defer { for pid in Processes.mentioning(world.directory) { kill(pid, SIGTERM) } }
        let url = "git://127.0.0.1:\(port)/repository"
        try await eventually("git's daemon answers") {
            try #require(!daemon.hasEnded)
            return try await world.crd(["search", "-l", url]).code == 0
        }
        let outcome = try await world.install("queue", "-l", url)
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try await world.crd(["-x", "queue"]).code == 7)
    }

    @Test("over smart HTTP", .enabled(if: WebServer.isPossible, "\(WebServer.needs)"))
    func http() async throws {
        _ = try await queue()
        try await repository.git("clone", "--quiet", "--bare", ".", "\(world.directory)/git/q.git")
        let server = try await WebServer(
            ["--git-root", "\(world.directory)/git"], in: world.directory)
        let outcome = try await world.install("queue", "-l", "\(server.url)/git/q.git")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try await world.crd(["-x", "queue"]).code == 7)
        let missing = try await world.install("other", "-l", "\(server.url)/git/none.git")
        #expect(missing.code == 1)
        #expect(missing.errors.contains("there is no git repository at \(server.url)/git/none.git"))
    }

    /// The arguments of every process that has a URL among them.
    private static func arguments(of url: String) -> [String] {
        Processes.executing(url).map { Processes.arguments(of: $0).joined(separator: " ") }
    }

    @Test(
        "G15: over HTTP with a password, which no program has among its arguments",
        .enabled(if: WebServer.isPossible, "\(WebServer.needs)"),
        arguments: [
            ("me:se%40cret%3A%25", "me:se@cret:%"), ("tok%2Fen-of-mine", "tok/en-of-mine:"),
        ])
    func password(written: String, meant: String) async throws {
        _ = try await queue()
        try await repository.git("clone", "--quiet", "--bare", ".", "\(world.directory)/git/q.git")
        let gate = "\(world.directory)/gate"
        let server = try await WebServer(
            [
                "--git-root", "\(world.directory)/git", "--git-user", meant, "--git-until", gate,
            ], in: world.directory)
        let place = "\(server.url.dropFirst("http://".count))/git/q.git"
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try world.write(text + "repository = \"http://\(written)@\(place)\"\n", to: "crd.conf")
        let install = try world.begin(["--install", "--yes", "queue"])
        // It waits for an answer; the password got it that far.
        var seen: [String] = []
        try await eventually("git has asked") {
            if install.hasEnded { throw Trouble("it ended at once: \(world.said())") }
            seen = Self.arguments(of: place)
            return seen.contains { $0.contains("remote-http") }
        }
        try world.write("", to: "gate")
        while !install.hasEnded {
            seen += Self.arguments(of: place)
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(try await install.end() == 0, "\(world.said())")
        let secrets = [written, meant] + written.split(separator: ":").map(String.init).suffix(1)
        for secret in secrets {
            #expect(!seen.contains { $0.contains(secret) }, "\(secret): \(seen)")
            #expect(!world.said().contains(secret), "\(world.said())")
        }
        #expect(try await world.crd(["-x", "queue"]).code == 7)
        // The receipt still points there.
        let upgrade = try await world.crd(["upgrade", "queue"])
        #expect(upgrade.code == 0, "\(upgrade)")

        let wrong = try await world.install("other", "-l", "http://me:no-such-word@\(place)")
        #expect(wrong.code == 1 && !wrong.errors.contains("no-such-word"), "\(wrong)")
        #expect(wrong.errors.contains("rejects the name and password"), "\(wrong)")
    }

    @Test("from the repository of crd.conf; where there is none, it says how to set it")
    func configured() async throws {
        _ = try await queue()
        let outcome = try await world.install("queue")
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains("no repository is set")
                && outcome.errors.contains("repository = ")
                && outcome.errors.contains(world.configuration))
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try world.write(text + "repository = \"\(repository.path)\"\n", to: "crd.conf")
        #expect(try await world.install("queue").code == 0)
    }

    @Test("a branch, a tag or a commit")
    func references() async throws {
        let first = try await queue()
        try await repository.git("tag", "v1")
        try repository.module("support/queue", ["queue": "echo two"])
        let second = try await repository.commit()
        try await repository.git("branch", "next")
        try await repository.git("reset", "--quiet", "--hard", "v1")
        for (ref, commit) in [("v1", first), ("next", second), (second, second)] {
            let outcome = try await world.install("queue", "-l", repository.url, "--ref", ref)
            #expect(outcome.output.hasSuffix("commit \(commit)\n"), "\(ref): \(outcome)")
            #expect(try await world.crd(["remove", "queue"]).code == 0)
        }
        let unknown = try await world.install("queue", "-l", repository.url, "--ref", "v2")
        #expect(unknown.code == 1)
        #expect(unknown.errors.contains("has no branch, tag or commit v2"))
        #expect(world.remains == [])
    }

    @Test("a user module, and the daemon sees it without a restart")
    func daemonSees() async throws {
        try await world.start()
        try repository.module(
            "modules/watch",
            [
                "check": "echo seen", "response": "cat >\(world.notes)/answer",
                // Longer than the daemon takes to notice a change.
                "install": "sleep 3; ls \(world.notes) >\(world.notes)/at-install",
                "rollback": "rm -f \(world.notes)/at-install",
            ], manifest: "interval = \"1h\"")
        try await repository.commit()
        let outcome = try await world.install("watch", "-l", repository.path)
        #expect(outcome.code == 0, "\(outcome)")
        try await eventually("the response has run") { world.note("answer") == "seen\n" }
        // Only after its install had ended.
        #expect(world.note("at-install") == "at-install\n")
        #expect(try world.listed("watch").kind == "user")

        try repository.module("modules/watch", ["check": "echo newer"])
        try await repository.commit()
        #expect(try await world.crd(["upgrade", "watch"]).code == 0)
        try await eventually("the new check has run") { world.note("answer") == "newer\n" }
        #expect(try await world.crd(["remove", "watch"]).code == 0)
        try await eventually("it is gone") { try world.list().modules.isEmpty }
    }

    @Test("a module that requires another is well as soon as that is installed")
    func requirementArrives() async throws {
        _ = try await queue()
        try world.module(
            "m", check: "crd -x queue; exit 0", response: "cat >\(world.notes)/answer",
            manifest: "requires = [\"queue\"]")
        try await world.start()
        #expect(try world.listed("m").state == "failed")
        #expect(try world.listed("m").reason?.contains("crd --install queue") == true)
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        try await eventually("it has answered") { world.note("answer") == "queue \n" }
        try await eventually("the response has ended") { try world.listed("m").state == "idle" }
    }

    // MARK: What a script finds

    @Test("install and rollback have the environment of a run, and a few variables more")
    func environment() async throws {
        let show = { (file: String) in
            "pwd >\(world.notes)/\(file); env | sort >>\(world.notes)/\(file); cat >>\(world.notes)/\(file); wc -c <$CRD_EVENTS >>\(world.notes)/\(file)"
        }
        try repository.module(
            "queue",
            ["queue": "true", "install": show("install"), "rollback": show("rollback")],
            manifest: "environment = { LIMIT = \"7\" }")
        try await repository.commit()
        try #require(try await world.install("queue", "-l", repository.path).code == 0)
        let lines = world.notedLines("install")
        let place = "\(world.directory)/support"
        #expect(lines.first == "\(place)/.queue.installing")
        #expect(lines.last == "0")
        for line in [
            "CRD_MODULE=queue", "CRD_ROLE=install", "CRD_TRIGGER=request", "LIMIT=7",
            "CRD_OPERATION=install", "CRD_DIRECTORY=\(place)/queue", "CRD_EVENT_COUNT=0",
            "CRD_STATE=\(world.directory)/state/modules/queue", "CRD_EVENTS=/dev/fd/3",
            "CRD_CONFIG=\(world.configuration)", "CRD_EVENT_DROPPED=0",
            "CRD_SOCKET=\(world.socket)",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        #expect(lines.contains { $0.hasPrefix("CRD_RUN=") })
        try #require(try await world.crd(["remove", "queue"]).code == 0)
        let undone = world.notedLines("rollback")
        #expect(undone.contains("CRD_OPERATION=remove") && undone.contains("CRD_ROLE=rollback"))
    }

    @Test(
        "what install leaves running is ended, unless the manifest keeps it",
        arguments: [false, true])
    func leftovers(keeps: Bool) async throws {
        try repository.module(
            "queue", ["queue": "true", "install": "setsid \(world.forever) >/dev/null 2>&1 &"],
            manifest: keeps ? "leftovers = \"keep\"" : "leftovers = \"kill\"")
        try await repository.commit()
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        if keeps {
            try await eventually("it goes on") { !world.sleepers().isEmpty }
        } else {
            #expect(world.sleepers().isEmpty)
        }
    }

    // MARK: Refused before anything is fetched

    @Test("what is there already is not overwritten")
    func present() async throws {
        _ = try await queue()
        try world.module("queue", check: "exit 1")
        let own = try await world.install("queue", "-l", repository.path)
        #expect(own.code == 1)
        #expect(own.errors.contains("there is a user module queue already"))
        try FileManager.default.removeItem(atPath: "\(world.directory)/modules/queue")
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        let again = try await world.install("queue", "-l", repository.path)
        #expect(again.code == 1 && again.errors.contains("crd upgrade queue"))
        #expect(try await world.crd(["-x", "queue"]).code == 7)
    }

    @Test("what it requires must be there")
    func requirements() async throws {
        _ = try await queue()
        try repository.module(
            "modules/m", ["check": "exit 1", "response": "true"],
            manifest: "requires = [\"queue\"]")
        try await repository.commit()
        let outcome = try await world.install("m", "-l", repository.path)
        #expect(outcome.code == 1 && outcome.errors.contains("crd --install queue"))
        #expect(!world.remains.contains("modules/m"))
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        #expect(try await world.install("m", "-l", repository.path).code == 0)
        let removal = try await world.crd(["remove", "queue"])
        #expect(removal.code == 1 && removal.errors.contains("m requires queue"))
        #expect(try await world.crd(["-x", "queue"]).code == 7)
        #expect(try await world.crd(["remove", "--force", "queue"]).code == 0)
        let complaints = try await world.crd(["check-config"]).output
        #expect(
            complaints.contains("modules/m/module.toml:1:12: 'requires': the support module queue"))
    }

    @Test(
        "names and places that cannot be are told apart",
        arguments: [
            (["--install", "../x"], 64, "name"), (["--install", "a.bak"], 64, "name"),
            (["--install"], 64, "name"),
            (["--install", "m", "-l", "nowhere"], 64, "'nowhere' is neither a git URL"),
            (["--install", "m", "-l", "ext::sh -c 'touch /tmp/x'"], 64, "does not support"),
            (["--install", "m", "-l", "/nowhere"], 1, "there is no git repository at /nowhere"),
            (["--install", "m", "-l", "./empty"], 1, "there is no git repository at"),
            (["--install", "m", "-l", "git://127.0.0.1:1/x"], 1, "cannot be reached"),
            (["--install", "m", "-l", "http://127.0.0.1:1/x"], 1, "cannot be reached"),
            (["--install", "m", "-l", "http://host.invalid/x"], 1, "cannot be reached"),
            (["--install", "m", "-l", "./x", "--ref", "--upload-pack=x"], 64, "--ref"),
            (["--install", "m", "-l", "./x", "--ref=a:b"], 64, "does not name a branch"),
        ])
    func impossible(arguments: [String], code: CInt, message: String) async throws {
        try world.makeDirectory("empty")
        let outcome = try await world.crd(arguments)
        #expect(outcome.code == code, "\(outcome)")
        #expect(outcome.errors.contains(message), "\(outcome)")
        #expect(world.remains == [])
    }

    @Test("a repository without a commit, and one without the module")
    func nothingThere() async throws {
        let empty = try await world.install("queue", "-l", repository.path)
        #expect(empty.code == 1 && empty.errors.contains("has no commit yet"))
        _ = try await queue()
        let near = try await world.install("quue", "-l", repository.path)
        #expect(near.code == 1 && near.errors.contains("has no module quue; did you mean queue?"))
        #expect(world.remains == [])
    }
}

/// Ports of this machine.
enum PortFinder {
    /// A port that nobody listens on right now.
    static func free() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard code == 0 else { throw Trouble("no port is free") }
        return UInt16(bigEndian: address.sin_port)
    }
}
