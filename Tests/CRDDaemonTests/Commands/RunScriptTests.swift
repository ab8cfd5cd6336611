// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// `scripts/run`, which is `make run` without the building.
@Suite("make run", .takesTurns)
struct RunScriptTests {
    /// The part of the project's clone that the script uses.
    private final class Clone {
        let top: String
        let path: String

        /// - Parameter isSafe: whether nobody else can change the directories above.
        init(isSafe: Bool = true) async throws {
            top = try TemporaryDirectory.make()
            path = "\(top)/clone"
            Janitor.shared.expect(top, "")
            _ = try await Outcome.of(
                [
                    "/bin/sh", "-c",
                    "mkdir \"$1\" && cp -R \"$0/examples\" \"$0/scripts\" \"$1\"", Repository.path,
                    path,
                ], in: top
            ).output(of: "cp")
            if !isSafe { chmod(top, 0o777) }
        }

        deinit { try? FileManager.default.removeItem(atPath: top) }

        /// Starts it, waits for the daemon, and ends it.
        ///
        /// - Parameter body: gets the output so far, while the daemon runs.
        /// - Returns: the whole output.
        @discardableResult
        func run(_ body: (String) async throws -> Void = { _ in }) async throws -> String {
            let log = "\(top)/log"
            unlink(log)
            func said() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            let program = try Program(
                ["\(path)/scripts/run"],
                environment: World.environment.merging(["BINARY": Binary.path]) { $1 },
                output: log, errors: log)
            try await eventually("the daemon runs") {
                if program.hasEnded { throw Trouble("it ended at once: \(said())") }
                return said().contains("crd: started ")
            }
            try await body(said())
            program.send(SIGTERM)
            #expect(try await program.end() == 0)
            return said()
        }

        func clean() async throws -> String {
            try await Outcome.of(["\(path)/scripts/run", "clean"], in: top).output(of: "clean")
        }

        func listed(in home: String) async throws -> [String] {
            let outcome = try await Outcome.of(
                [Binary.path, "list", "--json", "--config", "\(home)/crd.conf"], in: top)
            let list = try JSONDecoder().decode(
                Listing.self, from: Data(outcome.output(of: "list").utf8))
            return list.modules.filter { $0.state != "failed" }.map(\.name).sorted()
        }
    }

    private func write(_ text: String, to path: String) throws {
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path,
            withIntermediateDirectories: true)
        try Program.startingOrWriting.withLock {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        }
        chmod(path, 0o755)
    }

    private func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    private func addModule(in home: String) throws {
        for name in ["check", "response"] {
            try write("#!/bin/sh\nexit 1\n", to: "\(home)/modules/Mine/\(name)")
        }
    }

    @Test("keeps what somebody has put or changed in .run, and renews the rest")
    func keeps() async throws {
        let clone = try await Clone()
        let home = "\(clone.path)/.run"
        try await clone.run { _ in
            let names = try await clone.listed(in: home)
            #expect(names == ["FlappingService", "LogDirectory"])
        }
        try addModule(in: home)
        let changed = "\(home)/modules/FlappingService/module.toml"
        try write("enabled = false\n", to: changed)
        let configuration = "\(home)/crd.conf"
        try write((read(configuration) ?? "") + "slots = 7\n", to: configuration)
        let example = "\(clone.path)/examples/modules/LogDirectory/response"
        try write((read(example) ?? "") + "# newer\n", to: example)
        for _ in 0..<2 {
            let said = try await clone.run { _ in
                let names = try await clone.listed(in: home)
                #expect(names == ["FlappingService", "LogDirectory", "Mine"])
            }
            #expect(said.contains("Kept \(home)/modules/FlappingService, which you have changed."))
            #expect(said.contains("Kept \(configuration), which you have changed."))
            #expect(!said.contains("Kept \(home)/modules/LogDirectory"))
        }
        #expect(read(changed) == "enabled = false\n")
        #expect(read(configuration)?.hasSuffix("slots = 7\n") == true)
        #expect(read("\(home)/modules/LogDirectory/response") == read(example))

        let said = try await clone.clean()
        #expect(said.contains(".run/modules/Mine\n"), "\(said)")
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(home)/modules")
        #expect(left.sorted() == ["FlappingService", "Mine"])
        #expect(access("\(home)/state", F_OK) != 0)
    }

    @Test("leaves nothing where there is nothing of anybody's")
    func leavesNothing() async throws {
        let clone = try await Clone()
        try await clone.run()
        #expect(try await clone.clean() == "")
        #expect(access("\(clone.path)/.run", F_OK) != 0)
    }

    @Test("keeps it also where it must run elsewhere, since others could change the checkout")
    func elsewhere() async throws {
        let clone = try await Clone(isSafe: false)
        var home = ""
        try await clone.run { said in
            let place = try #require(said.firstMatch(of: #/so the daemon runs in (\S+)\./#))
            home = String(place.output.1)
            Janitor.shared.expect(home, "")
        }
        #expect(access(home, F_OK) != 0, "nothing of anybody's was in it")
        try await clone.run { _ in try addModule(in: home) }
        let said = try await clone.run { said in
            #expect(said.contains("so the daemon runs in \(home)."))
            let names = try await clone.listed(in: home)
            #expect(names.contains("Mine"))
        }
        #expect(said.hasSuffix("Kept what is yours:\n    \(home)/modules/Mine\n"), "\(said)")
        try? FileManager.default.removeItem(atPath: home)
    }
}
