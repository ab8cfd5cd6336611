// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: if git cannot fetch, the reason is reported with a remedy that works.
/// Method: the real git; for trouble that others cause, a program of that name with the real one's
/// messages.
@Suite(
    "What git and ssh say", .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"),
    .takesTurns)
struct GitTroubleTests {
    private let world: World
    private let repository: GitRepository

    init() async throws {
        world = try World(inMemory: true)
        repository = try await GitRepository(in: world.directory)
        try repository.module("queue", ["queue": "exit 7", "install": "true"])
        try await repository.commit()
    }

    /// Installs with our program ahead of the system's.
    private func install(
        from location: String, with program: String, _ script: String,
        _ variables: [String: String] = [:]
    ) async throws -> Outcome {
        if access("\(world.directory)/bin", F_OK) != 0 { try world.makeDirectory("bin") }
        try world.script(script, at: "bin/\(program)")
        let path = "\(world.directory)/bin:\(World.environment["PATH"] ?? "")"
        return try await world.crd(
            ["--install", "queue", "--yes", "-l", location],
            environment: world.environment.merging(variables.merging(["PATH": path]) { $1 }) { $1 })
    }

    @Test(
        "ssh's own reason is shown",
        arguments: [
            (
                """
                @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
                @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
                IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
                Host key verification failed.
                """,
                [
                    "has a different key from the one that ssh knows",
                    "ssh-keygen -R '[host.invalid]:222'",
                ]
            ),
            (
                "Host key verification failed.",
                ["is not known to ssh", "git says: Host key verification failed."]
            ),
            (
                "git@host.invalid: Permission denied (publickey).",
                ["a key without a passphrase", "git says: git@host.invalid: Permission denied"]
            ),
            (
                "ssh: connect to host host.invalid port 222: Connection refused",
                ["cannot be reached", "git says: ssh: connect to host host.invalid port 222"]
            ),
            (
                "kex_exchange_identification: odd",
                ["cannot read", "kex_exchange_identification: odd"]
            ),
        ])
    func ssh(text: String, says: [String]) async throws {
        try world.write(text.replacing("\n", with: "\r\n") + "\r\n", to: "banner")
        let outcome = try await install(
            from: "ssh://git@host.invalid:222/srv/a", with: "ssh",
            "cat '\(world.directory)/banner' >&2; exit 255")
        #expect(outcome.code == 1)
        for word in says { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        #expect(!outcome.errors.contains("\r"))
    }

    @Test("a dumb server is told as that") func dumb() async throws {
        let outcome = try await install(
            from: "https://host.invalid/a", with: "git",
            """
            case "$*" in *" fetch "*) ;; *) exit 0 ;; esac
            echo 'fatal: dumb http transport does not support shallow capabilities' >&2
            exit 128
            """)
        #expect(
            outcome.code == 1 && outcome.errors.contains("have its server run git http-backend"))
    }

    @Test(
        "a server that names branches without end cannot use up the memory",
        .enabled(if: WebServer.isPossible, "\(WebServer.needs)"))
    func endless() async throws {
        let server = try await WebServer(in: world.directory)
        let outcome = try await world.install("queue", "-l", "\(server.url)/endless.git")
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains("needs more memory than crd lets git have, 1GiB"), "\(outcome)"
        )
    }

    @Test(
        "certificates of other authorities are handed to git by the names that it knows",
        arguments: [
            (["SSL_CERT_FILE": "/ca.pem"], "/ca.pem - /ca.pem -"),
            (["SSL_CERT_FILE": "ca.pem"], "DIRECTORY/ca.pem - DIRECTORY/ca.pem -"),
            (["SSL_CERT_DIR": "/ca"], "- /ca - /ca"),
            (["GIT_SSL_CAINFO": "/a.pem", "SSL_CERT_FILE": "/b.pem"], "/a.pem - /a.pem -"),
            (["SSL_CERT_FILE": ""], "- - - -"),
        ])
    func certificates(variables: [String: String], seen: String) async throws {
        let note = "\(world.notes)/seen"
        _ = try await install(
            from: "https://host.invalid/a", with: "git",
            """
            echo "${GIT_SSL_CAINFO:--} ${GIT_SSL_CAPATH:--} ${SSL_CERT_FILE:--} ${SSL_CERT_DIR:--}" \
                >'\(note)'
            exit 1
            """, variables)
        let place = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/cwd")
        #expect(
            world.note("seen") == seen.replacing("DIRECTORY", with: place) + "\n")
    }

    @Test(
        "the remedy for somebody else's repository works",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func foreign() async throws {
        _ = try await Outcome.of(
            ["/bin/chown", "-R", "nobody", repository.path], in: world.directory)
        let refused = try await world.install("queue", "-l", repository.path)
        #expect(refused.code == 1)
        let remedy = try #require(refused.errors.firstMatch(of: /with -l: (.*) >modules.bundle/)).1
        let bundle = "\(world.directory)/modules.bundle"
        let made = try await Outcome.of(
            ["/bin/sh", "-c", "\(remedy) >'\(bundle)'"],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"],
            in: world.directory)
        #expect(made.code == 0, "\(remedy): \(made)")
        let outcome = try await world.install("queue", "-l", bundle)
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try await world.crd(["-x", "queue"]).code == 7)
    }

    @Test(
        "somebody else's repository is refused however git is led to it",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"),
        arguments: ["/foreign", "file:///foreign", "file:///f%6Freign"])
    func foreignElsewhere(place: String) async throws {
        let bare = "\(world.directory)/foreign.git"
        try await repository.git("clone", "--quiet", "--bare", repository.path, bare)
        _ = try await Outcome.of(["/bin/chown", "-R", "nobody", bare], in: world.directory)
        let location = place.replacing("/f", with: "\(world.directory)/f")
        let refused = try await world.install("queue", "-l", location)
        #expect(refused.code == 1)
        #expect(refused.errors.contains("foreign.git belongs to nobody"), "\(refused)")
    }

    @Test("a partial clone, a link and a submodule are told as what they are")
    func odd() async throws {
        try await repository.git("config", "uploadpack.allowFilter", "true")
        let partial = "\(world.directory)/partial.git"
        try await repository.git(
            "clone", "--quiet", "--bare", "--filter=blob:none", repository.url, partial)
        let outcome = try await world.install("queue", "-l", partial)
        #expect(outcome.code == 1 && outcome.errors.contains("is a partial clone"), "\(outcome)")

        try FileManager.default.createDirectory(
            atPath: "\(repository.path)/modules", withIntermediateDirectories: false)
        symlink("../queue", "\(repository.path)/modules/other")
        let head = try await repository.commit()
        try await repository.git(
            "update-index", "--add", "--cacheinfo", "160000,\(head),support/far")
        try await repository.git("commit", "--quiet", "--message=far")
        for (name, says) in [
            ("other", "has a symbolic link, modules/other, in place of other"),
            ("far", "has a submodule, support/far, in place of far"),
        ] {
            let outcome = try await world.install(name, "-l", repository.path)
            #expect(outcome.code == 1 && outcome.errors.contains(says), "\(outcome)")
        }
        let check = try await world.crd(["check-repository", repository.path])
        #expect(
            check.output.contains(
                "/modules/other:1:1: is a symbolic link, and crd cannot install from"))
    }

    @Test("a module's directory that is a link is named as one") func linked() async throws {
        let elsewhere = try world.makeDirectory("elsewhere")
        symlink(elsewhere, "\(world.directory)/support/queue")
        let what = "\(world.directory)/support/queue is a symbolic link to \(elsewhere)"
        for command in [
            ["--install", "queue", "--yes", "-l", repository.path], ["upgrade", "queue"],
            ["remove", "queue"],
        ] {
            let outcome = try await world.crd(command)
            #expect(outcome.code == 1 && outcome.errors.contains(what), "\(outcome)")
        }
    }

    @Test("URL#ref is told of --ref, also where it is a path") func fragment() async throws {
        for location in ["https://host.invalid/a#v1", "\(repository.path)#v1"] {
            let outcome = try await world.install("queue", "-l", location)
            #expect(outcome.code != 0 && outcome.errors.contains("--ref"), "\(outcome)")
        }
    }
}
