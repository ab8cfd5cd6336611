// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: no turn of the daemon's loop handles all of a run's processes, however many there are.
/// Method: strace(1) counts the daemon's calls between two epoll_wait(2).
@Suite(
    "G15: A crowd of processes", .takesTurns,
    .enabled(
        if: Attacker.isPossible && Surroundings.find("strace") != nil,
        "\(Attacker.needs), and strace"))
struct CrowdTests {
    /// The calls of the given kinds, turn by turn.
    private static func turns(in trace: String, _ calls: Set<String>) -> [Int] {
        var turns = [0]
        for line in trace.split(separator: "\n") {
            let call = line.prefix { $0 != "(" }
            if call == "epoll_wait" { turns.append(0) }
            if calls.contains(String(call)) { turns[turns.count - 1] += 1 }
        }
        return turns
    }

    /// A prefix that traces the daemon's calls to the note `trace`; the daemon keeps its process.
    private static func strace(_ calls: String, in world: World) -> [String] {
        [
            Surroundings.find("strace") ?? "strace", "-D", "-qq", "-o", "\(world.notes)/trace",
            "-e", "trace=epoll_wait,\(calls)", "-e", "signal=none",
        ]
    }

    @Test(
        "at the timeout each of them gets SIGTERM, some in each turn",
        arguments: Containment.available)
    func terminated(containment: Containment) async throws {
        let world = try World(interval: "100ms", timeout: "10s", grace: "1h")
        let count = 1_000
        let crowd = try world.script(
            """
            exec perl -e '
                for (1..\(count)) { if (!fork) { sleep 1000 while 1 } }
                open(my $ready, ">", "$ARGV[0]/ready"); close $ready;
                sleep 1000 while 1' '\(world.notes)'
            """, at: "crowd")
        try world.module(
            "Crowd", check: "[ ! -e '\(world.notes)/ready' ] || exit 1\nexec '\(crowd)'",
            manifest: "user = 'games'")
        let cgroup = containment == .cgroup ? try DelegatedCgroup() : nil
        try await world.start(
            (cgroup?.prefix ?? []) + Self.strace("pidfd_send_signal", in: world))
        try await eventually("the run that was ready has ended") {
            try world.listed("Crowd").last?.check == "exit code 1"
        }
        try #require(world.note("ready") != nil)
        #expect(try await world.stop() == 0)
        let turns = Self.turns(in: try #require(world.note("trace")), ["pidfd_send_signal"])
        // SIGTERM and SIGCONT.
        #expect(turns.reduce(0, +) >= 2 * count)
        // As many as a turn begins with, or as its time allows on a fast machine; not all.
        #expect(turns.max() ?? 0 < count, "\(turns.filter { $0 > 0 })")
    }

    @Test("those that may stay are not looked at again and again while others die")
    func kept() async throws {
        let world = try World(grace: "100ms")
        let count = 400
        // Each link ends when it has made the next one, so that the daemon adopts and collects it.
        let crowd = try world.script(
            """
            exec perl -e '
                for (1..\(count)) { if (!fork) { sleep 1000 while 1 } }
                exit if fork;
                for (1..1000) { exit if fork }
                open(my $over, ">", "$ARGV[0]/over"); close $over' '\(world.notes)'
            """, at: "crowd")
        try world.module(
            "Keep", check: "exit 0", response: "exec '\(crowd)'",
            manifest: "user = 'lp'\nleftovers = 'keep'")
        let daemon = try await world.start(Self.strace("waitid", in: world))
        try await eventually("the last link has ended") { world.note("over") != nil }
        // A busy machine leaves many of them to the end, outside any turn.
        try await eventually("all links are collected") {
            !Processes.children(of: daemon.pid).contains(where: Processes.isZombie)
        }
        let turns = Self.turns(in: try #require(world.note("trace")), ["waitid"])
        #expect(turns.reduce(0, +) >= count)
        // It used to be sixteen looks at each of them.
        #expect(turns.max() ?? 0 < 6 * count, "\(turns.max() ?? 0)")
    }
}
