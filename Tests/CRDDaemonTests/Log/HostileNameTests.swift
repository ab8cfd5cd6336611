// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite("G15: names and words of others", .takesTurns)
struct HostileNameTests {
    /// Would clear the screen, begin a line of its own in a log, and write from right to left.
    private static let evil = "\u{1B}[2J\u{9B}31m\ncrd: error: forged\rcrd: error: forged\u{202E}"

    private func expectPlain(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(
            !text.unicodeScalars.contains { "\u{1B}\u{9B}\r\u{202E}".unicodeScalars.contains($0) },
            "\(text.debugDescription)", sourceLocation: sourceLocation)
        #expect(
            !text.split(separator: "\n").contains { $0.hasPrefix("crd: error: forged") },
            "\(text.debugDescription)", sourceLocation: sourceLocation)
    }

    /// Nests directories until their path is twice as long as a path may be.
    private static let dig = """
        import os, sys
        os.chdir(sys.argv[1])
        for _ in range(40):
            name = sys.argv[2] + "x" * 150
            os.mkdir(name)
            os.chdir(name)
        """

    @Test(
        "deeper than a path can be reach neither the log nor a terminal as they are",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"),
        .enabled(if: Surroundings.find("python3") != nil, "needs python3"))
    func deepNames() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        chmod(data, 0o777)
        try world.module(
            "Tree", check: "exit 1", manifest: PathTests.trigger(data, "recursive = true"))
        try await world.start(options: ["--log-level", "debug"])
        try await world.runs(1, of: "Tree")
        let python = try #require(Surroundings.find("python3"))
        let digger = try Program(
            Surroundings.asNobody + [python, "-c", Self.dig, data, Self.evil],
            environment: World.environment, output: world.log, errors: world.log)
        #expect(try await digger.end() == 0)
        defer {
            _ = try? Program(
                ["/bin/rm", "-rf", data], environment: [:], output: world.log, errors: world.log)
        }
        try await eventually("a name too long is told") {
            world.lines.contains { $0.contains("forged") }
        }
        expectPlain(world.lines.joined(separator: "\n"))
        let table = try await world.crd(["list"])
        expectPlain(table.output + table.errors)
        let json = try await world.crd(["list", "--json"])
        expectPlain(json.output + json.errors)
        _ = try JSONDecoder().decode(Listing.self, from: Data(json.output.utf8))
    }

    @Test("in a module's output are no commands to a terminal")
    func output() async throws {
        let world = try World()
        try world.write(Self.evil, to: "evil")
        try world.module(
            "Loud", check: "exit 0",
            response: "cat '\(world.directory)/evil'; echo; printf 'a\\tb\\n' >&2")
        try await world.start()
        try await eventually("it has printed") { world.lines.contains("Loud: a\tb") }
        try await eventually("all of it") { world.lines.contains { $0.contains("forged?") } }
        expectPlain(world.lines.joined(separator: "\n"))
    }

    @Test("among the arguments, in a manifest and among files are shown as question marks")
    func commands() async throws {
        let world = try World()
        let module = try world.module(
            "Odd", check: "exit 1", manifest: "description = 1\n\"k\\u001b\\nforged\" = 2")
        try world.write("", to: "modules/Odd/\(Self.evil)")
        for arguments in [
            ["remove", Self.evil], [Self.evil], ["list", "--\(Self.evil)"], ["-x", Self.evil],
            ["check-config"], ["check-repository", module], ["verify", Self.evil],
            ["--install", "x", "-l", "/\(Self.evil)"], ["new", Self.evil], ["reload"], ["list"],
            ["check-config", "--config", "/none/\(Self.evil)"],
        ] {
            let outcome = try await world.crd(arguments)
            expectPlain(outcome.output)
            expectPlain(outcome.errors)
        }
    }
}
