// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: the user that a role runs as holds up nobody else.
/// Method: one user's role attacks, beside a module of root's whose path trigger must be answered
/// all the time. Each test has a system user of its own, since all of that user's processes are
/// fair game to it.
@Suite(
    "G15: The user that a role runs as", .takesTurns,
    .enabled(if: Attacker.isPossible, "\(Attacker.needs)"))
struct RoleUserTests {
    private static func world(timeout: String = "300ms") throws -> World {
        try World(interval: "100ms", timeout: timeout, grace: "100ms")
    }

    @Test("may stop every process of its own: the daemon does not wait for one")
    func stops() async throws {
        let world = try Self.world()
        let bystander = try Bystander(in: world)
        try world.module("Held", check: "exit 1", manifest: "user = 'games'")
        try await world.start()
        try await world.runs(1, of: "Held")
        let attacker = try Attacker("games", "while :; do kill -STOP -1; done")
        // Some processes are hit between the change of user and execve(2).
        let before = try world.listed("Held").runs
        try await bystander.isServed { try world.listed("Held").runs > before + 30 }
        try await attacker.end()
        #expect(try world.listed("Held").state != "stuck")
        #expect(try await world.stop() == 0)
    }

    @Test("may print without end: the log takes its share of that, and says what is missing")
    func floods() async throws {
        // A busy machine may take long for them.
        let world = try Self.world(timeout: "10min")
        let bystander = try Bystander(in: world)
        // Twelve million bytes.
        let flood = "yes \"$(printf %0999d 0)\" | head -n 12000 >&2; exit 1"
        try world.module("Flood", check: flood, manifest: "user = 'lp'\ninterval = '1h'")
        try await world.start()
        try await eventually("it says what is missing") {
            world.lines.contains { $0.hasPrefix("crd: warning: Flood: dropped ") }
        }
        let passed = world.lines.count { $0.hasPrefix("Flood: 000") }
        let dropped = world.lines.compactMap { line in
            line.hasPrefix("crd: warning: Flood: dropped ")
                ? line.split(separator: " ").lazy.compactMap { Int($0) }.first : nil
        }
        #expect(passed + dropped.reduce(0, +) == 12_000)
        #expect((7_000...9_500).contains(passed))
        #expect(world.lines.count { $0.contains("has printed more than its share") } == 1)
        // Others have their own share.
        try await bystander.isServed()
        #expect(try await world.stop() == 0)
    }

    @Test("may own an executable and have a lease on it: nobody else waits")
    func lease() async throws {
        let world = try Self.world()
        let bystander = try Bystander(in: world)
        let module = try world.module("Leased", check: "exit 1", manifest: "user = 'news'")
        let check = "\(module)/check"
        Attacker.give(check, to: "news")
        try await world.start()
        try await world.runs(1, of: "Leased")
        let attacker = try Attacker.lease(
            on: check, as: "news", noting: "\(world.notes)/leased")
        try await eventually("the lease is had") { world.note("leased") != nil }
        let before = try world.listed("Leased").runs
        try world.write("user = 'news'\ninterval = '150ms'\n", to: "modules/Leased/module.toml")
        utimes(check, nil)
        try await bystander.isServed { try world.listed("Leased").runs > before + 2 }
        #expect(try world.listed("Leased").last?.check == "timeout")
        try await attacker.end()
        try await eventually("it is run as before") {
            try world.listed("Leased").last?.check == "exit code 1"
        }
        #expect(try await world.stop() == 0)
    }

    @Test("gets no open file that another run has, and none that it can write or put anything on")
    func openFiles() async throws {
        // A run that is out of time notes nothing.
        let world = try Self.world(timeout: "10min")
        let look = "for fd in 0 3; do stat -L -c '%i %a %F' /dev/fd/$fd; done"
        try world.module(
            "Look", check: "{ \(look); } >>'\(world.notes)/look'; exit 1",
            manifest: "user = 'uucp'")
        try await world.start()
        try await world.runs(3, of: "Look")
        let files = world.notedLines("look").filter { $0.hasSuffix("regular empty file") }
        #expect(files.count >= 3)
        #expect(files.allSatisfy { $0.contains(" 444 ") }, "\(files)")
        #expect(Set(files).count == files.count, "another file for each run: \(files)")
        #expect(try await world.stop() == 0)
    }

    @Test(
        "may leave processes that only fork and end: they are caught, and nobody else waits",
        .enabled(if: Surroundings.compiler != nil, "needs a C compiler"))
    func rabbits() async throws {
        let world = try Self.world(timeout: "10min")
        let bystander = try Bystander(in: world)
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Servers/rabbit.c").path
        let rabbit = "\(world.directory)/rabbit"
        _ = try await Outcome.of(
            [Surroundings.compiler ?? "cc", "-O1", "-o", rabbit, source],
            environment: World.environment, in: world.directory
        ).output(of: "the compiler")
        try world.module(
            "Rabbits", check: "exec '\(rabbit)' 2", manifest: "user = 'backup'\ninterval = '1s'")
        try await world.start()
        try await bystander.isServed { try world.listed("Rabbits").runs >= 3 }
        #expect(try await world.stop() == 0)
        try await eventually("none is left") { Processes.executing(rabbit).isEmpty }
    }

    @Test("gets no process past the end of a run by ending its first thread")
    func firstThread() async throws {
        let world = try Self.world(timeout: "60s")
        let program = try world.write(
            """
            import ctypes, os, sys, threading, time
            os.setsid()
            threading.Thread(target=lambda: time.sleep(1000)).start()
            with open(sys.argv[1], "w") as note:
                note.write(str(os.getpid()))
            ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
            """, to: "program")
        try world.module(
            "Threads",
            check: """
                note='\(world.notes)/'thread-$$
                python3 '\(program)' "$note" &
                until [ -s "$note" ] && grep -q '^State:.*Z' "/proc/$(cat "$note")/status"; do
                    sleep 0.01
                done
                exit 1
                """, manifest: "user = 'irc'\ninterval = '1h'")
        try await world.start()
        try await world.runs(1, of: "Threads")
        let note = try FileManager.default.contentsOfDirectory(atPath: world.notes)
            .first { $0.hasPrefix("thread-") }
        let pid = try #require(note.flatMap(world.note).flatMap { pid_t($0) })
        try await eventually("it is gone") { !Processes.exists(pid) }
        #expect(try world.listed("Threads").state == "idle")
        #expect(try await world.stop() == 0)
    }

    @Test("does not keep the daemon busy with a process of its own that it traces")
    func traced() async throws {
        let world = try Self.world(timeout: "60s")
        try world.module(
            "Traced",
            check: """
                #!/usr/bin/env python3
                import ctypes, os, sys, time
                # Whoever wants to trace it may (prctl(2), PR_SET_PTRACER), where Yama asks for that.
                ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)
                if not os.path.exists("\(world.notes)/traced"):
                    with open("\(world.notes)/pid", "w") as note:
                        note.write(str(os.getpid()))
                    while not os.path.exists("\(world.notes)/traced"):
                        time.sleep(0.01)
                sys.exit(1)
                """, manifest: "user = 'irc'")
        let daemon = try await world.start()
        try await eventually("it is there to be traced") { world.note("pid") != nil }
        // PTRACE_SEIZE.
        let tracer = try Attacker(
            "irc",
            """
            exec python3 -c '
            import ctypes, time
            pid = int(open("\(world.notes)/pid").read())
            ptrace = ctypes.CDLL(None).ptrace
            ptrace.argtypes = [ctypes.c_long] * 4
            if ptrace(0x4206, pid, 0, 0) == 0:
                open("\(world.notes)/traced", "w").close()
            time.sleep(1000)'
            """)
        let pid = try #require(world.note("pid").flatMap { pid_t($0) })
        try await eventually("it has ended, and cannot be collected") {
            Processes.stat(pid).first { $0.count == 1 } == "Z"
        }
        // A busy process wants the processor at every look, however busy others are.
        var isBusy = 0
        for _ in 0..<100 {
            if Processes.stat(daemon.pid).first == "R" { isBusy += 1 }
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(isBusy < 50)
        try await tracer.end()
        try await world.runs(3, of: "Traced")
        #expect(try await world.stop() == 0)
    }

    @Test("reaches no terminal of root's, who runs its check by hand, and loses no output by that")
    func terminal() async throws {
        let world = try Self.world(timeout: "10min")
        // TIOCSTI would type into the shell that the terminal belongs to.
        try world.module(
            "Types",
            check: """
                #!/usr/bin/perl
                for my $file ("/dev/tty", "/dev/fd/0", "/dev/fd/1", "/dev/fd/2") {
                    open(my $terminal, "+<", $file) or next;
                    my $letter = "x";
                    print "reached $file\\n" if -t $terminal;
                    print "typed by $file\\n" if ioctl($terminal, 0x5412, $letter);
                }
                print "user $<, given @ARGV\\n";
                print STDERR "complaint\\n";
                exit 7;
                """, manifest: "user = 'lp'")
        try world.module("Foreign", check: "#!/nowhere/sh\n", manifest: "user = 'lp'")
        func onTerminal(_ command: String) async throws -> Outcome {
            try await .of(
                [
                    Surroundings.find("script") ?? "script", "--quiet", "--return", "--command",
                    "'\(Binary.path)' \(command)", "/dev/null",
                ], environment: world.environment, in: world.directory)
        }
        let outcome = try await onTerminal("-x Types one two")
        #expect(outcome.code == 7)
        let lines = outcome.output.split(whereSeparator: \.isNewline).sorted()
        #expect(lines == ["complaint", "user 7, given one two"], "\(outcome)")
        let failed = try await onTerminal("-x Foreign")
        #expect(failed.code == 126 && failed.output.contains("/nowhere/sh"), "\(failed)")
    }

    @Test("is told why its executable cannot be started, as others are")
    func failures() async throws {
        let world = try Self.world()
        try world.module("Foreign", check: "#!/nowhere/sh\n", manifest: "user = 'uucp'")
        try world.module("Closed", check: "exit 1", manifest: "user = 'uucp'")
        try world.module(
            "Reacts", check: "exit 0", response: "#!/nowhere/sh\n", manifest: "user = 'uucp'")
        chmod("\(world.directory)/modules/Closed", 0o700)
        try await world.start()
        for (name, reason) in [
            ("Foreign", "the interpreter its #! line names, is not there"),
            ("Closed", "chdir '\(world.directory)/modules/Closed': Permission denied"),
            ("Reacts", "the interpreter its #! line names, is not there"),
        ] {
            try await eventually("\(name) fails") {
                let module = try world.listed(name)
                return module.state == "failed" && module.reason?.contains(reason) == true
            }
        }
        chmod("\(world.directory)/modules/Closed", 0o755)
        try await eventually("it is well again") { try world.listed("Closed").state != "failed" }
        #expect(try await world.stop() == 0)
    }

    @Test("is not found late where it was the daemon that came late") func heldUp() async throws {
        // On a busy machine the check's time may be over before the daemon is stopped.
        for seconds in [5, 20, 80] {
            if try await isJudgedByItsEnd(timeout: seconds) { return }
        }
        Issue.record("the daemon was never stopped in time")
    }

    /// - Returns: false if the check's time was over too early.
    private func isJudgedByItsEnd(timeout: Int) async throws -> Bool {
        let world = try Self.world(timeout: "\(timeout)s")
        try world.module(
            "Ends",
            check: """
                \(world.noting("begun", "echo $$"))
                \(world.waiting(for: "go"))
                : >'\(world.notes)/ended'
                exit 1
                """, manifest: "interval = '1h'")
        try world.module("Ticks", check: "exit 1")
        let daemon = try await world.start()
        try await eventually("it has begun") { world.note("begun") != nil }
        daemon.send(SIGSTOP)
        let pid = world.note("begun")?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        func isAlive() -> Bool {
            let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            return status.map { !$0.contains("State:\tZ") } ?? false
        }
        // First a deadline passes, then the check ends, then its time would be over.
        try await Task.sleep(for: .seconds(1))
        try world.write("", to: "notes/go")
        try await eventually("it has ended") { world.note("ended") != nil || !isAlive() }
        try await Task.sleep(for: .seconds(timeout + 1))
        daemon.send(SIGCONT)
        guard world.note("ended") != nil else { return false }
        try await world.runs(1, of: "Ends")
        #expect(try world.listed("Ends").last?.check == "exit code 1")
        #expect(try await world.stop() == 0)
        return true
    }
}
