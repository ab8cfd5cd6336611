// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: a harmful module is refused before any of it is executed, and leaves nothing behind.
/// Method: repositories with content that honest tools would not create, by git's plumbing.
@Suite(
    "Hostile repositories", .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"),
    .takesTurns)
struct RefusedModuleTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
        try repository.module(
            "queue",
            ["queue": "true", "install": "touch \(world.notes)/executed", "rollback": "true"])
    }

    private func expectRefusal(_ says: String..., sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1, "\(outcome)", sourceLocation: sourceLocation)
        for text in says {
            #expect(
                outcome.errors.contains(text), "\(text): \(outcome.errors)",
                sourceLocation: sourceLocation)
        }
        #expect(world.remains == [], sourceLocation: sourceLocation)
        #expect(world.marks == [], sourceLocation: sourceLocation)
    }

    private func git(_ arguments: [String]) async throws -> String {
        try await Outcome.of(
            [Surroundings.find("git") ?? "", "-C", repository.path] + arguments,
            environment: World.environment.merging([
                "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a",
                "GIT_COMMITTER_EMAIL": "a", "GIT_CONFIG_GLOBAL": "/dev/null",
            ]) { $1 },
            in: world.directory
        ).output(of: "git").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Commits the module with an extra tree entry that git itself would not make.
    private func commit(mode: String, named name: String, object: String? = nil) async throws {
        try await repository.commit()
        let blob: String
        if let object {
            blob = object
        } else {
            blob = try await git(["rev-parse", "HEAD:queue/queue"])
        }
        // In git's notation: mode, space, name, NUL, twenty bytes.
        func entry(_ mode: String, _ name: String, _ object: String) -> Data {
            var bytes = Data("\(mode) \(name)".utf8) + [0]
            let digits = Array(object)
            for index in stride(from: 0, to: digits.count, by: 2) {
                bytes.append(UInt8(String(digits[index...index + 1]), radix: 16)!)
            }
            return bytes
        }
        func write(_ tree: Data) async throws -> String {
            let file = "\(world.directory)/tree"
            try tree.write(to: URL(fileURLWithPath: file))
            return try await git(["hash-object", "-t", "tree", "-w", "--literally", file])
        }
        let executable = try await git(["rev-parse", "HEAD:queue/queue"])
        let inner = try await write(
            name < "queue"
                ? entry(mode, name, blob) + entry("100755", "queue", executable)
                : entry("100755", "queue", executable) + entry(mode, name, blob))
        let outer = try await write(entry("40000", "queue", inner))
        let commit = try await git(["commit-tree", "-m", "x", outer])
        _ = try await git(["update-ref", "refs/heads/main", commit])
    }

    @Test(
        "names that lead elsewhere",
        arguments: ["..", "../../etc/passwd", ".git", "a/b", ".", "x\u{1B}[2Jy", "GIT~1"])
    func names(name: String) async throws {
        try await commit(mode: "100644", named: name)
        try await expectRefusal()
    }

    @Test(
        "modes that no file should have",
        arguments: ["104755", "102755", "100777", "20666", "10644"])
    func modes(mode: String) async throws {
        try await commit(mode: mode, named: "file")
        try await expectRefusal("which git refuses as unsafe")
    }

    @Test("submodules")
    func submodule() async throws {
        try await commit(mode: "160000", named: "sub", object: String(repeating: "1", count: 40))
        try await expectRefusal("'sub' is a submodule")
    }

    @Test(
        "links that lead out of the module, or nowhere",
        arguments: [
            ("/etc/passwd", "leads out"), ("../../etc/passwd", "leads out"), ("..", "leads out"),
            ("sub/../../queue/queue", "leads out"), ("deep/../..", "leads out"),
            ("nowhere", "leads nowhere"), ("link", "leads nowhere"),
            ("/proc/self/root", "leads out"),
        ])
    func links(target: String, says: String) async throws {
        let queue = "\(repository.path)/queue"
        try repository.write("x", to: "queue/sub/one/file")
        // Up from where the link leads, not from where it is.
        symlink("sub", "\(queue)/deep")
        symlink(target, "\(queue)/link")
        try await repository.commit()
        try await expectRefusal("queue/link", says)
    }

    @Test("links within the module are good ones")
    func goodLinks() async throws {
        let queue = "\(repository.path)/queue"
        try repository.write("x", to: "queue/sub/one/file")
        symlink("sub/one", "\(queue)/deep")
        symlink("../../queue", "\(queue)/sub/one/up")
        try await repository.commit()
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 0, "\(outcome)")
    }

    @Test("a file that is too large")
    func large() async throws {
        try await repository.commit()
        let file = "\(repository.path)/queue/large"
        try Data().write(to: URL(fileURLWithPath: file))
        truncate(file, 300 << 20)
        try await repository.commit()
        try await expectRefusal("'large' has 314572800 bytes", "256MiB")
    }

    @Test("a tree that is small and lists without end")
    func bomb() async throws {
        try await repository.commit()
        let blob = try await git(["rev-parse", "HEAD:queue/queue"])
        let line = { (kind: String, object: String, number: Int) in
            "\(kind) \(object)\tname\(number)\n"
        }
        var tree = (0..<40).map { line("100644 blob", blob, $0) }.joined()
        for _ in 0..<5 {
            try world.write(tree, to: "listing")
            let object = try await Outcome.of(
                [
                    "/bin/sh", "-c", "git -C \"$1\" mktree <\"$2\"", "sh", repository.path,
                    "\(world.directory)/listing",
                ], in: world.directory
            ).output(of: "mktree").trimmingCharacters(in: .whitespacesAndNewlines)
            tree = (0..<40).map { line("040000 tree", object, $0) }.joined()
        }
        let object = String(tree.split(separator: "\t")[0].split(separator: " ")[2])
        let commit = try await git(["commit-tree", "-m", "x", object])
        _ = try await git(["update-ref", "refs/heads/main", commit])
        try await expectRefusal("has more than 100000 files")
    }

    @Test(
        "a repository of somebody else, whichever way leads there",
        .enabled(if: Surroundings.isRoot, "\(Surroundings.needsRoot)"), arguments: [false, true])
    func foreign(isLinked: Bool) async throws {
        try await repository.commit()
        _ = try await Outcome.of(
            ["/bin/chown", "-R", "65534", repository.path], in: world.directory
        ).output(of: "chown")
        var location = repository.path
        if isLinked {
            location = try world.makeDirectory("linked")
            symlink("\(repository.path)/.git", "\(location)/.git")
        }
        for prefix in ["", "file://"] {
            let outcome = try await world.install("queue", "-l", prefix + location)
            #expect(outcome.code == 1 && outcome.errors.contains("belongs to nobody"), "\(outcome)")
            #expect(world.remains == [] && world.marks == [])
        }
    }

    @Test("secrets in a URL are not shown")
    func secrets() async throws {
        for location in [
            "http://me:hidden@127.0.0.1:1/x", "https://hidden@127.0.0.1:1/x",
            "git://me:hidden@127.0.0.1:1/x", "http://127.0.0.1:1/x?token=hidden",
            "svn://me:hidden@127.0.0.1/x",
        ] {
            let outcome = try await world.install("queue", "-l", location)
            #expect(
                outcome.code != 0 && !(outcome.errors + outcome.output).contains("hidden"),
                "\(outcome)")
            let log = "\(world.directory)/state/daemon/install.log"
            let logged = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            #expect(!logged.contains("hidden"), "\(logged)")
        }
    }

    @Test(
        "a support module that is called as a script of modules is",
        arguments: ["install", "check", "rollback"])
    func takenNames(name: String) async throws {
        try repository.module("support/\(name)", [name: "touch \(world.notes)/executed"])
        try await repository.commit()
        let outcome = try await world.install(name, "-l", repository.path)
        #expect(
            outcome.code == 1 && outcome.errors.contains("no support module can be called \(name)"))
        #expect(world.remains == [] && world.marks == [])
        let own = try await world.crd(["new", "--support", name])
        #expect(own.code == 1 && own.errors.contains("no support module can be called"))
    }

    @Test("a module of the other kind has the name")
    func otherKind() async throws {
        try await repository.commit()
        try world.module("queue", check: "exit 1")
        let before = world.remains
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(
            outcome.code == 1 && outcome.errors.contains("there is a user module queue already"))
        #expect(world.remains == before && world.marks == [])
    }

    struct Flaw: CustomTestStringConvertible {
        var testDescription: String
        var files: [String: String]
        var says: String
        var areExecutable = false
    }

    @Test(
        "what is no module",
        arguments: [
            Flaw(
                testDescription: "no response", files: ["check": "#!/bin/sh\n"],
                says: "has 'check', but no 'response'; a user module has both"),
            Flaw(
                testDescription: "both kinds",
                files: ["queue": "#!/bin/sh\n", "check": "#!/bin/sh\n"],
                says: "is not a module"),
            Flaw(
                testDescription: "not executable", files: ["queue": "text"],
                says: "queue/queue:1:1: is not executable"),
            Flaw(
                testDescription: "a broken manifest",
                files: ["queue": "#!/bin/sh\n", "module.toml": "descripton = \"x\"\n"],
                says: "queue/module.toml:1:1: unknown key 'descripton'; did you mean"),
            Flaw(
                testDescription: "install not executable",
                files: ["queue": "#!/bin/sh\n", "install": "text"],
                says: "queue/install:1:1: is not executable"),
            Flaw(
                testDescription: "a carriage return behind #!", files: ["queue": "#!/bin/sh\r\n"],
                says: "queue/queue:1:1: has a carriage return at the end of its #! line"),
            Flaw(
                testDescription: "an install with a byte order mark",
                files: ["queue": "#!/bin/sh\n", "install": "\u{FEFF}#!/bin/sh\n"],
                says: "queue/install:1:1: begins with a byte order mark", areExecutable: true),
            Flaw(
                testDescription: "an interpreter that is not there, and no install",
                files: ["queue": "#!/nowhere/sh\n"],
                says: "queue/queue:1:1: has a #! line that names the interpreter /nowhere/sh"),
            Flaw(
                testDescription: "executables with endings",
                files: ["check.sh": "#!/bin/sh\n", "response.sh": "#!/bin/sh\n"],
                says: "check.sh is there: rename it to check; response.sh is there"),
            Flaw(
                testDescription: "one with an ending",
                files: ["check": "#!/bin/sh\n", "response.py": "#!/bin/sh\n"],
                says: "response.py is there: rename it to response"),
            Flaw(
                testDescription: "an executable that is a directory",
                files: [
                    "queue/x": "text", "check": "#!/bin/sh\n", "response": "#!/bin/sh\n",
                    "install/x": "y",
                ],
                says: "queue/install:1:1: is not a regular file"),
        ])
    func flaws(_ flaw: Flaw) async throws {
        try FileManager.default.removeItem(atPath: "\(repository.path)/queue")
        for (name, text) in flaw.files {
            try repository.write(
                text, to: "queue/\(name)", mode: flaw.areExecutable ? 0o755 : nil)
        }
        try await repository.commit()
        try await expectRefusal(flaw.says)
    }

    @Test("no hook, filter or setting of the repository or the user is heeded")
    func configuration() async throws {
        let touch = "touch \(world.notes)/executed"
        try repository.write(
            "*.txt filter=evil text eol=crlf\nqueue ident\n", to: "queue/.gitattributes")
        try repository.write("$Id$\n", to: "queue/file.txt")
        try repository.module("queue", ["install": "true"])
        try await repository.commit()
        let home = try world.makeDirectory("home")
        try world.write(
            "[filter \"evil\"]\n\tsmudge = \(touch)\n[core]\n\thooksPath = \(home)\n\tfsmonitor = \(touch)\n"
                + "[alias]\n\tfetch = !\(touch)\n",
            to: "home/.gitconfig")
        for hook in ["post-checkout", "reference-transaction", "post-index-change"] {
            try world.script(touch, at: "home/\(hook)")
        }
        let outcome = try await world.crd(
            ["--install", "queue", "--yes", "-l", repository.path],
            environment: World.environment.merging([
                "CRD_CONFIG": world.configuration, "HOME": home,
                "GIT_CONFIG_GLOBAL": "\(home)/.gitconfig", "GIT_DIR": "/nowhere",
                "GIT_EXTERNAL_DIFF": touch, "GIT_SSH_COMMAND": touch,
            ]) { $1 })
        #expect(outcome.code == 0, "\(outcome)")
        #expect(world.marks == [])
        #expect(
            try String(contentsOfFile: "\(world.directory)/support/queue/file.txt", encoding: .utf8)
                == "$Id$\n")
    }
}
