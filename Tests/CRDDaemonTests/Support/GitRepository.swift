// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A repository of modules, made with the real git.
final class GitRepository {
    static let needs = "needs git"
    static let isPossible = Surroundings.find("git") != nil

    let path: String
    /// As `-l` takes it.
    var url: String { "file://\(path)" }

    /// - Parameter directory: in which it is made.
    init(_ name: String = "repository", in directory: String) async throws {
        path = "\(directory)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try await git("init", "--quiet", "--initial-branch=main", ".")
    }

    @discardableResult
    func git(_ arguments: String...) async throws -> String {
        try await Outcome.of(
            [
                Surroundings.find("git") ?? "git", "-C", path, "-c", "user.name=Ada",
                "-c", "user.email=ada@example.org", "-c", "core.hooksPath=/dev/null",
            ] + arguments,
            environment: World.environment.merging([
                "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": path,
            ]) { $1 },
            in: (path as NSString).deletingLastPathComponent
        ).output(of: "git \(arguments)")
    }

    /// Writes a file; one that begins with `#!` can be executed.
    func write(_ text: String, to name: String, mode: mode_t? = nil) throws {
        let file = URL(fileURLWithPath: "\(path)/\(name)")
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        chmod(file.path, mode ?? (text.hasPrefix("#!") ? 0o755 : 0o644))
    }

    /// Writes a module of shell scripts, and a manifest where it is given.
    func module(
        _ directory: String, _ scripts: [String: String], manifest: String? = nil
    ) throws {
        for (name, text) in scripts {
            try write("#!/bin/sh\n\(text)\n", to: "\(directory)/\(name)")
        }
        if let manifest { try write(manifest + "\n", to: "\(directory)/module.toml") }
    }

    /// Commits a version of the support module `queue`, whose scripts note in `log` that they ran, and
    /// in `version` what is prepared.
    ///
    /// - Parameter ending: how install ends.
    func publishQueue(version: Int, ending: String = "true", notes: String) async throws {
        try module(
            "queue",
            [
                "queue": "echo version \(version)",
                "install":
                    "echo \(version) >\(notes)/version; echo install \(version) $CRD_OPERATION >>\(notes)/log; \(ending)",
                "rollback":
                    "rm -f \(notes)/version; echo rollback \(version) $CRD_OPERATION >>\(notes)/log",
            ])
        try await commit()
    }

    /// - Returns: the commit's name.
    @discardableResult
    func commit(_ options: String...) async throws -> String {
        try await git("add", "--all")
        try await git("commit", "--quiet", "--allow-empty", "--message=change")
        return try await head()
    }

    func head() async throws -> String {
        try await git("rev-parse", "HEAD").trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

extension World {
    /// What a change could have left in the directories of the modules and of the state, apart from
    /// the lock, the log and the empty directories that stay.
    var remains: [String] {
        let lasting = [
            "daemon", "daemon/install.lock", "daemon/install.log", "daemon/receipts",
            "daemon/aside", "daemon/origins", "modules",
        ]
        return ["modules", "support", "state"].flatMap { shelf in
            (FileManager.default.enumerator(atPath: "\(directory)/\(shelf)")?.allObjects ?? [])
                .compactMap { $0 as? String }
                .filter { shelf != "state" || !lasting.contains($0) }.map { "\(shelf)/\($0)" }
        }.sorted()
    }

    /// The names in the notes: what scripts have done to the system.
    var marks: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: notes)) ?? []).sorted()
    }

    /// Installs without asking.
    func install(_ name: String, _ options: String...) async throws -> Outcome {
        try await crd(["--install", name, "--yes"] + options)
    }
}
