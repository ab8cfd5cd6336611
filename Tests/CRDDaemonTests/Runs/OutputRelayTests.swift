// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: the output of another user's role is read whole, and holds nobody but that role.
@Suite(
    "G15: The output of another user's role",
    .enabled(if: Attacker.isPossible, "\(Attacker.needs)"))
struct OutputRelayTests {
    private let world: World

    init() throws {
        world = try World(grace: "100ms")
    }

    private func relays(of daemon: Program) -> [pid_t] {
        Processes.children(of: daemon.pid).filter {
            Processes.arguments(of: $0).suffix(2) == ["helper", "outputs"]
        }
    }

    @Test("comes through pipes of which the daemon has no end")
    func ends() async throws {
        try world.module(
            "Mine",
            check: """
                # A shell may redirect its own descriptors while another program runs.
                pipes=$(readlink /proc/$$/fd/1; readlink /proc/$$/fd/2)
                \(world.noting("pipes", "echo \"$pipes\""))
                \(world.waiting(for: "seen"))
                exit 1
                """, manifest: "user = 'proxy'\ninterval = '1h'")
        let daemon = try await world.start()
        try await eventually("it is there to be seen") { world.note("pipes") != nil }
        let pipes = Set(world.notedLines("pipes"))
        #expect(pipes.count == 2 && pipes.allSatisfy { $0.hasPrefix("pipe:") }, "\(pipes)")
        #expect(pipes.isDisjoint(with: Processes.descriptors(of: daemon.pid).values))
        let relay = try #require(relays(of: daemon).first)
        try await eventually("the relay has them") {
            pipes.isSubset(of: Processes.descriptors(of: relay).values)
        }
        try world.write("", to: "notes/seen")
        try await world.runs(1, of: "Mine")
        try await eventually("the relay has closed them") {
            pipes.isDisjoint(with: Processes.descriptors(of: relay).values)
        }
        #expect(try await world.stop() == 0)
    }

    @Test("reaches the response and the log whole, to the last byte before each end")
    func whole() async throws {
        // More than the pipes hold; the last of it is printed when the main process has ended.
        try world.module(
            "Mine",
            check: """
                seq 100000
                seq 3 | sed 's/^/check /' >/dev/stderr
                printf unfinished >&2
                """,
            response: """
                sha256sum >'\(world.notes)/sum'
                seq 1000 | sed 's/^/response /' >/dev/stdout
                (while kill -0 $$; do sleep 0.01; done 2>/dev/null; echo later; : >'\(world.notes)/later') &
                """, manifest: "user = 'proxy'\ninterval = '1h'\nleftovers = 'keep'")
        try await world.start()
        try await world.runs(1, of: "Mine")
        try await eventually("all of it is logged") { world.lines.contains("Mine: later") }
        let lines = world.lines.filter { $0.hasPrefix("Mine: ") }
        let wanted =
            (1...3).map { "check \($0)" } + ["unfinished"] + (1...1_000).map { "response \($0)" }
            + ["later"]
        #expect(lines == wanted.map { "Mine: \($0)" })
        let sum = try await Outcome.of(
            ["/bin/sh", "-c", "seq 100000 | sha256sum"], environment: World.environment,
            in: world.directory)
        #expect(world.notedLines("sum") == [sum.output.trimmingCharacters(in: .newlines)])
        #expect(try await world.stop() == 0)
    }

    /// Starts a daemon with a module of another user's, whose first check waits for the note
    /// "ready", and one of a third user's.
    ///
    /// - Returns: the relay of the first module's output.
    private func startAndFindRelay() async throws -> pid_t {
        try world.module(
            "Mine",
            check: """
                \(world.noting("pipe", "readlink /proc/$$/fd/2"))
                \(world.waiting(for: "ready"))
                echo said >&2
                exit 1
                """, manifest: "user = 'proxy'\ninterval = '100ms'")
        try world.module("Other", check: "exit 1", manifest: "user = 'list'\ninterval = '100ms'")
        let daemon = try await world.start()
        var relay: pid_t?
        try await eventually("its relay reads it") {
            guard let pipe = world.notedLines("pipe").first else { return false }
            relay = relays(of: daemon).first {
                Processes.descriptors(of: $0).values.contains(pipe)
            }
            return relay != nil
        }
        return try #require(relay)
    }

    @Test("is given up when its relay does not answer, and read again when it does")
    func stuck() async throws {
        let relay = try await startAndFindRelay()
        kill(relay, SIGSTOP)
        defer { kill(relay, SIGCONT) }
        try world.write("", to: "notes/ready")
        try await eventually("the relay is given up") {
            world.lines.contains { $0.contains("roles running as 'proxy' does not answer") }
        }
        #expect(!world.lines.contains("Mine: said"))
        try await eventually("the module says why it does not run") {
            try world.listed("Mine").reason?.contains("end all processes of 'proxy'") == true
        }
        try await world.runs(try world.listed("Other").runs + 3, of: "Other")
        kill(relay, SIGCONT)
        try await eventually("it is read again") { world.lines.contains("Mine: said") }
        #expect(try await world.stop() == 0)
    }

    @Test("is read again when its relay was killed")
    func killed() async throws {
        let relay = try await startAndFindRelay()
        kill(relay, SIGKILL)
        try await eventually("the log says so") {
            world.lines.contains {
                $0.contains("as 'proxy' has ended (signal 9")
                    && $0.hasSuffix("it will be restarted")
            }
        }
        try world.write("", to: "notes/ready")
        try await eventually("it is read again") { world.lines.contains("Mine: said") }
        #expect(try await world.stop() == 0)
    }

    @Test(
        "cannot be locked against anybody else",
        .enabled(if: UserSpaceMount.isPossible, "\(UserSpaceMount.needs)"))
    func locked() async throws {
        let mount = try await UserSpaceMount()
        try await mount.namespace.run("head -c 65536 /dev/zero >\"$DIRECTORY/disk/memory\"")
        let bystander = try Bystander(in: world)
        try world.module(
            "Mine",
            check: """
                \(world.noting("pid", "echo $$"))
                \(world.waiting(for: "locked"))
                exit 1
                """, manifest: "user = 'proxy'\ninterval = '100ms'")
        try await world.start(mount.namespace.prefix)
        try await eventually("the role is there") { world.note("pid") != nil }
        let pid = try #require(world.notedLines("pid").first)
        // It writes into the role's pipe what the file server is to supply.
        let attacker = try Attacker(
            "proxy", in: mount.namespace.prefix,
            """
            exec python3 -c '
            import mmap, os, time
            pipe = os.open("/proc/\(pid)/fd/2", os.O_WRONLY)
            file = open("\(mount.path)/memory", "rb")
            memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            open("\(world.notes)/opened", "w").close()
            while not os.path.exists("\(world.notes)/stopped"): time.sleep(0.01)
            os.write(pipe, memory)'
            """)
        try await eventually("the attacker is ready") { world.note("opened") != nil }
        mount.server.send(SIGSTOP)
        defer { mount.server.send(SIGCONT) }
        try world.write("", to: "notes/stopped")
        try await eventually("the attacker has the lock") {
            Processes.status(attacker.pid, "State")?.first == "D"
        }
        try world.write("", to: "notes/locked")
        for _ in 0..<3 { try await bystander.isServed() }
        try await eventually("the role cannot even end") {
            try world.listed("Mine").state == "stuck"
                || Processes.status(pid_t(pid) ?? 0, "State")?.first == "D"
        }
        #expect(try await world.stop() == 0)
        mount.server.send(SIGCONT)
        _ = try await attacker.hasEnded()
    }
}
