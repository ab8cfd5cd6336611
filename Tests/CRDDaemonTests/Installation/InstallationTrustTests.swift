// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: nothing from a repository is executed unless somebody vouched for it.
/// Method: real keys, real signatures; a terminal made by script(1).
@Suite(
    "Trust",
    .enabled(
        if: GitRepository.isPossible && Surroundings.find("ssh-keygen") != nil,
        "needs git and ssh-keygen"), .takesTurns)
struct InstallationTrustTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
        try repository.module(
            "queue",
            [
                "queue": "true", "install": "touch \(world.notes)/executed",
                "rollback": "rm -f \(world.notes)/executed",
            ])
        for name in ["ada", "eve"] { try await makeKey(name) }
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try world.write(text + "allowed-signers = \"\(world.directory)/signers\"\n", to: "crd.conf")
        try allow("ada")
    }

    private func makeKey(_ name: String) async throws {
        _ = try await Outcome.of(
            [
                Surroundings.find("ssh-keygen") ?? "", "-q", "-t", "ed25519", "-N", "", "-C", name,
                "-f", "\(world.directory)/\(name)",
            ], in: world.directory
        ).output(of: "ssh-keygen")
    }

    private func allow(_ name: String, options: String = "namespaces=\"git\"") throws {
        let key = try String(contentsOfFile: "\(world.directory)/\(name).pub", encoding: .utf8)
        try world.write("\(name)@example.org \(options) \(key)", to: "signers")
    }

    private func commit(signedBy name: String?) async throws {
        try await repository.git("add", "--all")
        if let name {
            try await repository.git(
                "-c", "gpg.format=ssh", "-c", "user.signingkey=\(world.directory)/\(name)",
                "commit",
                "--quiet", "--allow-empty", "-S", "--message=signed")
        } else {
            try await repository.git("commit", "--quiet", "--allow-empty", "--message=unsigned")
        }
    }

    private func expectRefusal(_ text: String, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        // Not even if every question is answered with yes.
        let outcome = try await world.install("queue", "-l", repository.path)
        #expect(outcome.code == 1, "\(outcome)", sourceLocation: sourceLocation)
        #expect(outcome.errors.contains(text), "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(world.marks == [] && world.remains == [], sourceLocation: sourceLocation)
    }

    @Test("an allowed signature needs no question, and is in the receipt")
    func signed() async throws {
        try await commit(signedBy: "ada")
        let outcome = try await world.crd(["--install", "queue", "-l", repository.path])
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.output.contains(", signed by ada@example.org SHA256:"))
        let receipt = try String(
            contentsOfFile: "\(world.directory)/state/daemon/receipts/queue.json", encoding: .utf8)
        #expect(receipt.contains("\"signer\" : \"ada@example.org SHA256:"))
    }

    @Test("no signature, or another's, and nothing is executed", arguments: ["eve", nil])
    func others(name: String?) async throws {
        try await commit(signedBy: name)
        try await expectRefusal(
            name == nil ? "is not signed" : "is signed, but not by a key in")
    }

    @Test("a signature that was moved to another commit is none")
    func forged() async throws {
        try await commit(signedBy: "ada")
        let raw = try await repository.git("cat-file", "commit", "HEAD")
        try Data(raw.replacingOccurrences(of: "\nsigned", with: "\nforged").utf8)
            .write(to: URL(fileURLWithPath: "\(world.directory)/commit"))
        let forged = try await repository.git(
            "hash-object", "-t", "commit", "-w", "\(world.directory)/commit")
        try await repository.git(
            "update-ref", "refs/heads/main", forged.trimmingCharacters(in: .whitespacesAndNewlines))
        try await expectRefusal("by a key in")
    }

    @Test(
        "a key that is allowed for something else, or no longer",
        arguments: ["namespaces=\"file\"", "valid-before=\"20200101\""])
    func restricted(options: String) async throws {
        try allow("ada", options: options)
        try await commit(signedBy: "ada")
        try await expectRefusal("by a key in")
    }

    @Test("a file of signers that others can write, or that is not there")
    func signersFile() async throws {
        try await commit(signedBy: "ada")
        chmod("\(world.directory)/signers", 0o666)
        try await expectRefusal("signers can be written by its group and everybody else")
        unlink("\(world.directory)/signers")
        try await expectRefusal("signers is not there")
    }

    @Test("an upgrade must be signed too, or the old version stays")
    func upgrade() async throws {
        try await commit(signedBy: "ada")
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        try repository.module("queue", ["queue": "exit 9"])
        try await commit(signedBy: "eve")
        let outcome = try await world.crd(["upgrade", "queue", "--yes"])
        #expect(outcome.code == 1 && outcome.errors.contains("stays active"))
        #expect(try await world.crd(["-x", "queue"]).code == 0)
        #expect(try await world.crd(["verify"]).code == 0)
    }

    @Test("no upgrade goes back to an older commit, signed as it is, unless it is meant")
    func downgrade() async throws {
        try await commit(signedBy: "ada")
        // Commits are dated in whole seconds.
        try await Task.sleep(for: .milliseconds(1_100))
        try repository.module("queue", ["queue": "exit 9"])
        try await commit(signedBy: "ada")
        #expect(try await world.install("queue", "-l", repository.path).code == 0)
        try await repository.git("reset", "--quiet", "--hard", "HEAD~1")
        let refused = try await world.crd(["upgrade", "queue", "--yes"])
        #expect(refused.code == 1 && refused.errors.contains("is older than the installed one"))
        #expect(try await world.crd(["-x", "queue"]).code == 9)
        #expect(try await world.crd(["upgrade", "queue", "--force"]).code == 0)
        #expect(try await world.crd(["-x", "queue"]).code == 0)
    }

    // MARK: Without signatures

    private func forgetSigners() throws {
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        try world.write(
            text.split(separator: "\n").filter { !$0.hasPrefix("allowed-signers") }
                .joined(separator: "\n") + "\n", to: "crd.conf")
    }

    @Test(
        "nobody at a terminal, and no --yes: a place never used before is refused, later it is known"
    )
    func unattended() async throws {
        try forgetSigners()
        try await commit(signedBy: nil)
        let command = ["--install", "queue", "-l", repository.path]
        let outcome = try await world.crd(command)
        #expect(outcome.code == 1 && outcome.errors.contains("give --yes"))
        #expect(world.marks == [] && world.remains == [])
        #expect(try await world.crd(command + ["--yes"]).code == 0)
        #expect(try await world.crd(["remove", "queue"]).code == 0)
        #expect(try await world.crd(command).code == 0)
    }

    @Test(
        "at a terminal the files and the commit are shown, and asked about",
        .enabled(if: Surroundings.find("script") != nil, "needs script"),
        arguments: [("", "y", 0), ("", "n", 1), ("", "", 1), ("y", "n", 1)])
    func asked(early: String, answer: String, code: CInt) async throws {
        try forgetSigners()
        try await commit(signedBy: nil)
        let head = try await repository.head()
        let outcome = try await Outcome.of(
            [
                "/bin/sh", "-c",
                """
                cd "$5"
                (echo "$1"; until grep -qs y/N seen; do sleep 0.1; done; echo "$2") |
                    script -qfec "$3 --install queue -l $4" seen
                """, "sh", early, answer, Binary.path, repository.path,
                world.directory,
            ],
            environment: world.environment,
            in: world.directory)
        #expect(outcome.code == code, "\(outcome)")
        // Input typed before the question does not answer it.
        for text in [head, "install*  ", "its 'install' will be run as root", "install it? [y/N]"] {
            #expect(outcome.output.contains(text), "\(outcome.output)")
        }
        #expect(world.marks == (code == 0 ? ["executed"] : []))
    }

    @Test("two places whose names Unicode has for the same are two")
    func unicode() async throws {
        try forgetSigners()
        try await commit(signedBy: nil)
        for name in ["\u{e9}", "e\u{301}"] {
            try FileManager.default.copyItem(
                atPath: repository.path, toPath: "\(world.directory)/\(name)")
        }
        let known = "\(world.directory)/\u{e9}"
        #expect(try await world.install("queue", "-l", known).code == 0)
        #expect(try await world.crd(["remove", "queue"]).code == 0)
        let other = "\(world.directory)/e\u{301}"
        let outcome = try await world.crd(["--install", "queue", "-l", other])
        #expect(outcome.code == 1 && outcome.errors.contains("give --yes"), "\(outcome)")
        #expect(try await world.crd(["--install", "queue", "-l", "\(known)/."]).code == 0)
    }
}
