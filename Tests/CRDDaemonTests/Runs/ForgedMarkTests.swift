// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: a process's claims neither get it killed as part of a run nor let it outlive its run.
/// Method: the user nobody gives processes the environment and limits of a run.
@Suite(
    "G15: Forged marks",
    .enabled(
        if: Surroundings.canBecomeNobody && Surroundings.find("prlimit") != nil,
        "\(Surroundings.needsNobody), and prlimit"),
    .takesTurns)
struct ForgedMarkTests {
    private static let limits = "awk '/^Max file locks/ { print $4, $5 }' /proc/self/limits"

    /// A set-user-ID program of root's that anybody may start; it sleeps.
    private func setUserIDProgram(in world: World) throws -> String {
        let path = "\(world.directory)/rooted"
        try FileManager.default.copyItem(
            atPath: Surroundings.find("sleep") ?? "sleep", toPath: path)
        try #require(chmod(path, 0o4755) == 0)
        return path
    }

    /// A process of nobody's that looks like one of that run.
    private func forge(
        _ command: [String], run: String, mark: String?, in world: World
    ) throws -> Program {
        let limits = mark.map { ["prlimit", "--locks=\($0):\($0)"] } ?? []
        let environment = [
            "CRD_RUN": run, "CRD_STATE": "\(world.directory)/state/modules/Mine",
            "CRD_MODULE": "Mine", "CRD_ROLE": "check",
        ]
        return try Program(
            Surroundings.asNobody + limits + command,
            environment: World.environment.merging(environment) { $1 }, output: world.log,
            errors: world.log)
    }

    @Test("of a former daemon's run do not have a daemon that starts kill what is root's")
    func formerRun() async throws {
        let world = try World()
        // The genuine processes: one hides, and the other has only its environment.
        try world.module(
            "Mine",
            check: """
                \(Self.limits) >'\(world.notes)/limits'
                echo "$CRD_RUN" >'\(world.notes)/run'
                (setsid env -i \(world.forever) &)
                until pgrep -f '^\(world.forever)$' >/dev/null; do sleep 0.01; done
                : >'\(world.notes)/begun'
                sleep 100
                """, manifest: "user = 'nobody'")
        try await world.start()
        try await eventually("it runs") { world.note("begun") != nil }
        let run = try #require(world.notedLines("run").first)
        let mark = try #require(world.notedLines("limits").first?.split(separator: " ").first)
        #expect(world.notedLines("limits").first == "\(mark) \(mark)")
        let rooted = try setUserIDProgram(in: world)
        // nobody knows all about a run of its own; others can guess that one exists.
        let forged = try forge([rooted, "1000"], run: run, mark: String(mark), in: world)
        let child = try forge(
            ["/bin/sh", "-c", "'\(rooted)' 1001; exit"], run: run, mark: String(mark), in: world)
        let guessed = try forge(["sleep", "1002"], run: "abc-1", mark: nil, in: world)
        try await eventually("all of them run") {
            ["1000", "1001", "1002"].allSatisfy {
                !Processes.executing("\0\($0)\0").isEmpty
            }
        }
        let hidden = try #require(Processes.executing("\(rooted)\01001\0").first)
        defer { kill(hidden, SIGKILL) }
        try await world.stop(SIGKILL)
        #expect(world.sleepers().count == 1)
        try world.script("exit 1", at: "modules/Mine/check")
        try await world.start()
        #expect(world.sleepers().isEmpty)
        #expect(!forged.hasEnded && !guessed.hasEnded && Processes.exists(hidden))
        // A process with no more rights than nobody may well be what it says.
        #expect(try await child.end() == 128 + SIGKILL)
        try await world.stop()
        #expect(
            !FileManager.default.fileExists(atPath: "\(world.directory)/state/daemon/life.json"))
    }

    @Test("let no process outlive its run")
    func ownRun() async throws {
        let world = try World()
        try world.module(
            "Keep", check: "exit 1", response: "exit 0", manifest: "leftovers = \"keep\"")
        // No mark; the mark of another run that may leave it, with and without the hard limit; others.
        let other = "$(((mark | 1 << 31) + 1000))"
        let ways = [
            "unlimited:unlimited", "\(other):", "\(other):unlimited", "5:5", "$((mark - 1000)):5",
        ]
        let claims = "CRD_RUN=\"${CRD_RUN%-*}-1000\" CRD_ROLE=response CRD_MODULE=Keep"
        let all = ways.map { (claims, $0) } + [("", "5:5")]
        let start = all.map { claims, way in
            """
            (setsid env -i PATH="$PATH" \(claims) \\
                /bin/sh -c 'echo >>"$0"; prlimit --pid $$ --locks='"\(way)"'; exec \(world.forever)' '\(world.notes)/started' &)
            """
        }
        try world.module(
            "Mine",
            check: """
                mark=$(\(Self.limits)); mark=${mark% *}
                \(start.joined(separator: "\n"))
                # One that a look has seen without a mark is killed at once, so they are not all there together.
                until [ "$(wc -l <'\(world.notes)/started')" -ge \(all.count) ]; do sleep 0.01; done
                : >'\(world.notes)/begun'
                exit 1
                """, manifest: "user = 'nobody'\ntimeout = '10min'")
        try await world.start()
        try await world.runs(1, of: "Mine")
        #expect(world.note("begun") != nil)
        try await eventually("none is left") { world.sleepers().isEmpty }
        try await world.stop()
    }
}
