// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The manual pages are well-formed, and leave nothing out.
@Suite("The manual")
struct ManualTests {
    static let pages = ["crd.8", "crd.conf.5", "crd-module.7"]

    private func outcome(of command: [String]) async throws -> Outcome {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try await .of(
            command,
            environment: ["LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANWIDTH": "80"],
            in: directory)
    }

    private func text(of page: String) throws -> String {
        try String(contentsOfFile: "\(Repository.path)/man/\(page)", encoding: .utf8)
    }

    @Test(
        "mandoc has nothing to say",
        .enabled(if: Surroundings.find("mandoc") != nil, "needs mandoc"), arguments: pages)
    func mandoc(page: String) async throws {
        let file = "\(Repository.path)/man/\(page)"
        let outcome = try await outcome(
            of: [Surroundings.find("mandoc") ?? "", "-T", "lint", "-W", "warning", file])
        #expect(outcome.code == 0)
        #expect(outcome.output + outcome.errors == "")
    }

    @Test(
        "neither has man", .enabled(if: Surroundings.find("man") != nil, "needs man-db"),
        arguments: pages)
    func man(page: String) async throws {
        let outcome = try await outcome(
            of: [
                Surroundings.find("man") ?? "", "--warnings", "--encoding=UTF-8", "--local-file",
                "\(Repository.path)/man/\(page)",
            ])
        #expect(outcome.code == 0)
        #expect(outcome.errors == "")
        #expect(outcome.output.contains("NAME"))
    }

    @Test("crd(8) names every command and every option")
    func commands() async throws {
        let page = try text(of: "crd.8")
        let help = try await outcome(of: [Binary.path, "--help"]).output(of: "--help")
        let list = try #require(help.split(separator: "SUBCOMMANDS:\n").last)
        let commands = list.matches(of: #/(?m)^  ([a-z-]+) /#).map { String($0.output.1) }
        #expect(commands.contains("daemon"))
        for command in commands { #expect(page.contains("\n.It Cm \(command)"), "\(command)") }

        for command in [[]] + commands.map({ [$0] }) {
            let help = try await outcome(of: [Binary.path] + command + ["--help"])
                .output(of: "help")
            let options = help.matches(of: #/(?m)^  (-[a-z-]+)(?:, (-[a-z-]+))?[ \n]/#)
                .flatMap { [$0.output.1, $0.output.2].compactMap(\.self) }
            #expect(options.contains("--help"))
            for option in options {
                let entry = try Regex("(?m)^\\.It .*\\bFl \(option.dropFirst())(?: .*)?$")
                #expect(page.contains(entry), "\(command) \(option)")
            }
        }
    }

    @Test("crd-module(7) names every variable that an executable gets, and no other")
    func environment() async throws {
        let page = try text(of: "crd-module.7")
        let section = try #require(page.split(separator: ".Sh ENVIRONMENT").last)
            .split(separator: ".Sh ")[0]
        let named = section.matches(of: #/(?m)^\.It Ev ([A-Z_ ,]+)/#).flatMap {
            $0.output.1.split(separator: " , ").map { $0.prefix { $0 != " " } }
        }
        let world = try World()
        let show = "tr '\\0' '\\n' </proc/$$/environ >\(world.notes)/environment"
        try world.module("Shows", check: "\(show); exit 1")
        try await world.start()
        try await eventually("it has run") { world.note("environment")?.hasSuffix("\n") == true }
        let given = world.notedLines("environment").map { String($0.prefix { $0 != "=" }) }
        // Only some events have these.
        let others = ["CRD_PATH", "CRD_SIGNAL", "CRD_MESSAGE", "CRD_UNIT", "CRD_MATCH_"]
        // The daemon's environment decides whether these exist.
        let inherited = ["LANG", "TZ"]
        #expect(
            Set(named.map(String.init)).subtracting(others).subtracting(inherited)
                == Set(given).subtracting(inherited))
        #expect(Set(others + inherited).isSubset(of: named.map(String.init)))
    }
}
