// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite("Modules of one's own", .takesTurns)
struct NewModuleTests {
    private let world: World

    init() throws {
        world = try World()
    }

    @Test("new: works at once, for each kind of trigger")
    func works() async throws {
        try await world.start()
        let watched = try world.makeDirectory("watched \"x\"")
        let outcome = try await world.crd(
            ["new", "watch", "--path", watched, "--signal", "USR1", "--journal", "cron"])
        #expect(outcome.code == 0 && outcome.output == "made \(world.directory)/modules/watch\n")
        try await eventually("the daemon has checked it") {
            (try? world.listed("watch"))?.runs ?? 0 >= 1
        }
        #expect(try world.listed("watch").last?.check == "exit code 1")
        try world.write("", to: "watched \"x\"/file")
        try await eventually("it has answered") { try world.listed("watch").responses >= 1 }
        try await eventually("the log says what") {
            world.lines.contains { $0.contains("the condition holds: ") && $0.contains("file") }
        }
        #expect(try await world.crd(["check-config"]).code == 0)
    }

    @Test("new: without a trigger it is checked periodically; a support module can be called")
    func kinds() async throws {
        #expect(try await world.crd(["new", "plain"]).code == 0)
        try world.write(
            "description = \"x\"\nenvironment = { LIMIT = \"-1\" }\n",
            to: "modules/plain/module.toml")
        let check = try await world.crd(["-x", "plain"])
        #expect(check.code == 0 && check.output.hasPrefix("/ is "))
        #expect(try await world.crd(["new", "tool", "--support"]).code == 0)
        #expect(
            try await world.crd(["-x", "tool", "a", "b"]).output
                == "tool was called with 2 arguments\n")
        #expect(try await world.crd(["check-config"]).output == "")
        let list = try await world.crd(["list", "--json"]).output
        #expect(list.contains("\"name\" : \"plain\"") && list.contains("\"name\" : \"tool\""))
        let repository = try await world.crd(["check-repository", world.directory])
        #expect(repository.code == 0, "\(repository)")
        if let shellcheck = Surroundings.find("shellcheck") {
            let files = [
                "modules/plain/check", "modules/plain/response", "support/tool/tool",
                "support/tool/install", "support/tool/rollback",
            ]
            let outcome = try await Outcome.of(
                [shellcheck] + files.map { "\(world.directory)/\($0)" }, in: world.directory)
            #expect(outcome.code == 0, "\(outcome.output)")
        }
    }

    @Test(
        "new: what would not work is refused, and nothing is left",
        arguments: [
            (["new", "m", "--signal", "HUP"], 1, "signal"),
            (["new", "m", "--signal", "x"], 1, "m/module.toml:"),
            (["new", "m", "--journal", "a b"], 64, "cannot be a unit's name"),
            (
                ["new", "m", "--support", "--path", "/x"], 64,
                "a support module runs only when it is called"
            ),
            (["new", "../m"], 64, "name"), (["new", "m~"], 64, "name"),
            (["new", "there"], 1, "already"),
        ])
    func refused(command: [String], code: CInt, says: String) async throws {
        try world.module("there", check: "exit 1")
        let before = world.remains
        let outcome = try await world.crd(command)
        #expect(outcome.code == code && outcome.errors.contains(says), "\(outcome)")
        #expect(world.remains.filter { !$0.hasPrefix("state") } == before)
    }

    @Test("new: a path may be relative, and have anything in it")
    func relativePath() async throws {
        let outcome = try await Outcome.of(
            [
                "/bin/sh", "-c", "cd \"$1\" && \"$2\" new m --path 'a \\ \"b\"'", "sh",
                world.directory, Binary.path,
            ],
            environment: world.environment,
            in: world.directory)
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try await world.crd(["check-config"]).output == "")
        let manifest = try String(
            contentsOfFile: "\(world.directory)/modules/m/module.toml", encoding: .utf8)
        #expect(manifest.contains("path = \"\(world.directory)/a \\\\ \\\"b\\\"\""))
    }

    // MARK: search

    @Test(
        "search: by name and description, whatever the case",
        .enabled(if: GitRepository.isPossible, "\(GitRepository.needs)"))
    func search() async throws {
        let repository = try await GitRepository(in: world.directory)
        try repository.module(
            "support/queue", ["queue": "true"], manifest: "description = \"Keeps things in a Row\"")
        try repository.module("modules/watch", ["check": "true", "response": "true"])
        try repository.module("support/broken", ["broken": "true"], manifest: "description =")
        try await repository.commit()
        func found(_ term: String...) async throws -> String {
            try await world.crd(["search", "-l", repository.path] + term).output
        }
        #expect(try await found("ROW") == "queue  support  Keeps things in a Row\n")
        #expect(try await found("wat") == "watch  user  \n")
        #expect(try await found().split(separator: "\n").count == 3)
        let nothing = try await world.crd(["search", "-l", repository.path, "zzz"])
        #expect(nothing.code == 1 && nothing.errors.contains("nothing in"))
        let json = try await world.crd(["search", "-l", repository.path, "--json", "queue"])
        #expect(json.output.contains("\"description\" : \"Keeps things in a Row\""))
        #expect(world.remains == [])
    }

    // MARK: check-repository

    @Test("check-repository: ours is in order")
    func ownRepository() async throws {
        let outcome = try await world.crd([
            "check-repository", "\(Repository.path)/examples/repository",
        ])
        #expect(outcome.code == 0, "\(outcome)")
        let script = try await Outcome.of(
            ["\(Repository.path)/examples/repository/check"],
            environment: World.environment.merging(["CRD": Binary.path]) { $1 }, in: world.directory
        )
        #expect(script.code == 0, "\(script)")
    }

    @Test("check-repository: every fault is a line with its file")
    func faults() async throws {
        let root = try world.makeDirectory("repository")
        for name in ["support", "modules"] { try world.makeDirectory("repository/\(name)") }
        let empty = try await world.crd(["check-repository", root])
        #expect(empty.code == 1 && empty.output.contains("has no module"))
        func module(
            _ directory: String, _ files: [String], manifest: String? = "description = \"x\"\n"
        ) throws {
            try world.makeDirectory("repository/\(directory)")
            for file in files { try world.script("true", at: "repository/\(directory)/\(file)") }
            if let manifest { try world.write(manifest, to: "repository/\(directory)/module.toml") }
        }
        try module("support/good", ["good", "install", "rollback"])
        #expect(try await world.crd(["check-repository", root]).code == 0)
        try module("support/m", ["check", "response"])
        try module("modules/good", ["check", "response"])
        try module("modules/half", ["check"])
        try module("support/bare", ["bare"], manifest: nil)
        try module("support/one", ["one", "install"], manifest: "description = 1\n")
        try module("support/set", ["set", "install", "rollback"])
        chmod("\(root)/support/set/set", 0o4755)
        symlink("/etc/passwd", "\(root)/support/set/link")
        mkfifo("\(root)/support/set/pipe", 0o644)
        try world.makeDirectory("repository/modules/no name")
        try module("modules/outside", ["response"], manifest: nil)
        let secrets = try world.makeDirectory("secrets")
        try world.write("description = \"x\"\ntoken = geheim\n", to: "secrets/manifest")
        try world.script("#!/nowhere/geheim", at: "secrets/script")
        symlink("\(secrets)/manifest", "\(root)/modules/outside/module.toml")
        symlink("\(secrets)/script", "\(root)/modules/outside/check")
        try module("modules/ending", ["check.sh", "response.sh"])
        try module("modules/windows", ["check", "response"])
        try world.script("#!/bin/sh\r\n", at: "repository/modules/windows/check")
        try world.script(
            "#!/usr/bin/env no-such-program\n", at: "repository/modules/windows/response")
        let outcome = try await world.crd(["check-repository", root])
        #expect(outcome.code == 1)
        for line in [
            "support/m:1:1: is a user module; move it to modules/",
            "good:1:1: has the name of a module in",
            "modules/half:1:1: has 'check', but no 'response'",
            "support/bare/module.toml:1:1: 'description' is missing",
            "support/bare/install:1:1: is not there", "support/one/rollback:1:1: is not there",
            "support/one/module.toml:1:15: 'description' must be",
            "support/set/set:1:1: has the mode 4755",
            "support/set/link:1:1: is a symbolic link that leads out",
            "support/set/pipe:1:1: is a device, a pipe or a socket",
            "modules/outside/module.toml:1:1: is a symbolic link that leads out",
            "modules/outside/check:1:1: is a symbolic link that leads out",
            "modules/no name:1:1: is not a valid module name",
            "modules/ending:1:1: is not a module: ",
            "check.sh is there: rename it to check; response.sh is there: rename it to response",
            "modules/windows/check:1:1: has a carriage return at the end of its #! line",
            "modules/windows/response:1:1: has env look for no-such-program, which is not in",
        ] {
            #expect(outcome.output.contains(line), "\(line): \(outcome.output)")
        }
        // Neither is read.
        let outside = outcome.output.split(separator: "\n").filter { $0.contains("/outside/") }
        #expect(!outcome.output.contains("geheim"))
        #expect(!outside.contains { $0.contains("module.toml:2:") }, "\(outside)")
    }
}
