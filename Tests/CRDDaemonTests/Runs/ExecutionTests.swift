// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Section 4 of the design, row by row.
@Suite("An executable gets", .takesTurns)
struct ExecutionTests {
    /// Writes the environment it was started with, before its shell adds to it, to a note.
    private static func noteEnvironment(_ name: String, in world: World) -> String {
        "tr '\\0' '\\n' </proc/$$/environ >'\(world.notes)/\(name)'"
    }

    private static func variables(_ name: String, in world: World) -> [String: String] {
        world.notedLines(name).reduce(into: [:]) { found, line in
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            found[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
    }

    @Test("exactly the variables that are promised")
    func environment() async throws {
        let world = try World()
        try world.module(
            "Env", check: Self.noteEnvironment("check", in: world),
            response: Self.noteEnvironment("response", in: world))
        var given = World.environment
        given["TZ"] = "UTC"
        for name in [
            "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "SECRET",
            "JOURNAL_STREAM", "INVOCATION_ID", "CRD_CONFIG", "CRD_PATH", "LD_BIND_NOW",
        ] { given[name] = "/dev/null" }
        try await world.start(environment: given)
        try await world.runs(1, of: "Env")
        let user = try #require(getpwuid(geteuid()))
        for role in ["check", "response"] {
            var found = Self.variables(role, in: world)
            #expect(found.removeValue(forKey: "CRD_RUN")?.isEmpty == false)
            #expect(
                found == [
                    "PATH":
                        "\(given["PATH"] ?? ""):\(URL(fileURLWithPath: Binary.path).deletingLastPathComponent().path)",
                    "LANG": "C.UTF-8", "TZ": "UTC",
                    "HOME": String(cString: user.pointee.pw_dir),
                    "USER": String(cString: user.pointee.pw_name),
                    "LOGNAME": String(cString: user.pointee.pw_name),
                    "SHELL": String(cString: user.pointee.pw_shell),
                    "CRD_MODULE": "Env", "CRD_ROLE": role, "CRD_TRIGGER": "start",
                    "CRD_STATE": "\(world.directory)/state/modules/Env",
                    "CRD_CONFIG": world.configuration, "CRD_SOCKET": world.socket,
                    "CRD_EVENTS": "/dev/fd/3", "CRD_EVENT_COUNT": "0", "CRD_EVENT_DROPPED": "0",
                ])
        }
    }

    @Test("the manifest's variables, before those of the daemon")
    func ownEnvironment() async throws {
        let world = try World()
        try world.module(
            "Env", check: Self.noteEnvironment("check", in: world),
            manifest: "environment = { LANG = \"de_DE\", LIMIT = \"20 MiB = 2\", HOME = \"\" }")
        try await world.start()
        try await world.runs(1, of: "Env")
        let found = Self.variables("check", in: world)
        #expect(found["LANG"] == "de_DE")
        #expect(found["LIMIT"] == "20 MiB = 2")
        #expect(found["HOME"] == "")
    }

    @Test("a standard PATH where the daemon has none")
    func standardPath() async throws {
        let world = try World()
        try world.module("Env", check: Self.noteEnvironment("check", in: world))
        try await world.start(environment: [:])
        try await world.runs(1, of: "Env")
        let found = Self.variables("check", in: world)
        #expect(
            found["PATH"]?.hasPrefix("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:") == true)
        #expect(found["LANG"] == nil)
    }

    @Test("one CRD_RUN for the check and its response, and another in each run")
    func runs() async throws {
        let world = try World(interval: "50ms")
        let note = "echo $CRD_TRIGGER $CRD_RUN >>'\(world.notes)/"
        try world.module("Runs", check: note + "check'", response: note + "response'")
        try await world.start()
        try await world.runs(5, of: "Runs")
        try await world.stop()
        try await world.start()
        try await world.runs(5, of: "Runs")
        try await world.stop()
        let (checks, responses) = (world.notedLines("check"), world.notedLines("response"))
        #expect(Set(checks.map { $0.split(separator: " ")[1] }).count == checks.count)
        #expect(Set(responses).isSubset(of: checks))
        #expect(checks.filter { $0.hasPrefix("start ") }.count == 2)
        #expect(checks.allSatisfy { $0.hasPrefix("start ") || $0.hasPrefix("interval ") })
    }

    @Test("a session, a directory, descriptors and signals of its own")
    func process() async throws {
        let world = try World()
        let module = try world.module("Proc", check: "exec \(world.forever)")
        // What a careless service manager might pass on.
        try await world.start([
            "/bin/sh", "-c",
            "umask 077; trap '' HUP USR1 PIPE; exec 9</dev/null; cd /; exec \"$@\"", "sh",
        ])
        try await eventually("the check runs") { !world.sleepers().isEmpty }
        let pid = try #require(world.sleepers().first)
        let descriptors = Processes.descriptors(of: pid)
        #expect(descriptors.keys.sorted() == [0, 1, 2, 3])
        #expect(descriptors[0] == "/dev/null")
        #expect(descriptors[1]?.hasPrefix("pipe:") == true)
        #expect(descriptors[2]?.hasPrefix("pipe:") == true)
        #expect(descriptors[1] != descriptors[2])
        #expect(descriptors[3] == "/memfd:crd-events (deleted)")

        let events = open("/proc/\(pid)/fd/3", O_RDONLY)
        defer { close(events) }
        let everySeal: CInt = 0xf
        let getSeals: CInt = 1034
        #expect(fcntl(events, getSeals) == everySeal)
        #expect(lseek(events, 0, SEEK_END) == 0)

        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") == module)
        #expect(Processes.status(pid, "Umask") == "0022")
        #expect(Processes.stat(pid)[3] == "\(pid)", "its session")
        for set in ["SigBlk", "SigIgn", "SigCgt"] {
            // 32 and 33 are the C library's own.
            let bits = Processes.status(pid, set).flatMap { UInt64($0, radix: 16) } ?? .max
            #expect(bits & ~(0b11 << 31) == 0, "\(set)")
        }
    }

    @Test("nothing on the check's stdin, and the events as a file it can open")
    func stdin() async throws {
        let world = try World()
        try world.module(
            "In",
            check: "wc -c >'\(world.notes)/in'; wc -c <\"$CRD_EVENTS\" >'\(world.notes)/events'")
        try await world.start()
        try await world.runs(1, of: "In")
        #expect(world.notedLines("in") == ["0"])
        #expect(world.notedLines("events") == ["0"])
    }

    @Test("a CRD_STATE of the module's own that lasts")
    func state() async throws {
        let world = try World()
        try world.module("Lasting", check: "echo x >>\"$CRD_STATE/count\"; exit 1")
        for _ in 0..<2 {
            try await world.start()
            try await world.runs(1, of: "Lasting")
            try await world.stop()
        }
        let path = "\(world.directory)/state/modules/Lasting"
        #expect(try String(contentsOfFile: "\(path)/count", encoding: .utf8) == "x\nx\n")
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o700)
        #expect(status.st_uid == geteuid())
    }

    @Test(
        "the user that the manifest names, with all that belongs to it",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func user() async throws {
        let world = try World()
        let note =
            "id -u; id -g; id -G; echo $HOME $USER $LOGNAME $SHELL $CRD_STATE; "
            + "stat -c '%U %a' \"$CRD_STATE\"; touch \"$CRD_STATE/mine\"; wc -c <\"$CRD_EVENTS\""
        try world.module(
            "Same", check: "{ \(note); } >'\(world.notes)/same'", manifest: "user = \"daemon\"")
        try world.module(
            "Two", check: "{ \(note); } >'\(world.notes)/check'",
            response: "{ \(note); } >'\(world.notes)/response'",
            manifest: "user = \"daemon\"\n[response]\nuser = \"nobody\"")
        // The user daemon gets one more group, for the daemon and its children alone.
        let groups = try String(contentsOfFile: "/etc/group", encoding: .utf8)
        let file = try world.write(groups + "crd-test:x:54321:daemon\n", to: "group")
        try await world.start([
            "/usr/bin/unshare", "--mount", "/bin/sh", "-c",
            "mount --bind '\(file)' /etc/group && exec \"$@\"", "sh",
        ])
        try await world.runs(1, of: "Same")
        try await world.runs(1, of: "Two")

        func expected(_ name: String, _ groups: [gid_t], _ state: String) throws -> [String] {
            let user = try #require(getpwnam(name)).pointee
            return [
                "\(user.pw_uid)", "\(user.pw_gid)",
                ([user.pw_gid] + groups).map(String.init).joined(separator: " "),
                "\(String(cString: user.pw_dir)) \(name) \(name) \(String(cString: user.pw_shell)) "
                    + "\(world.directory)/state/modules/\(state)",
                "\(name) 700", "0",
            ]
        }
        #expect(world.notedLines("same") == (try expected("daemon", [54321], "Same")))
        #expect(world.notedLines("check") == (try expected("daemon", [54321], "Two/check")))
        #expect(world.notedLines("response") == (try expected("nobody", [], "Two/response")))
    }

    @Test(
        "G13: an executable may belong to the user of its own role, and to no other",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func ownExecutable() async throws {
        let world = try World()
        for (name, user) in [("Own", "nobody"), ("Other", "daemon")] {
            let path = try world.module(
                name, check: ": >'\(world.notes)/\(name)'", manifest: "user = \"\(user)\"")
            chown("\(path)/check", 65534, 65534)
        }
        try await world.start()
        try await world.runs(1, of: "Own")
        let other = try world.listed("Other")
        #expect(other.state == "failed")
        #expect(other.reason?.contains("belongs to nobody (uid 65534)") == true)
        #expect(world.note("Own") != nil && world.note("Other") == nil)
    }

    @Test("its lines in the log, with its name before them")
    func lines() async throws {
        let world = try World()
        try world.module(
            "Talk", check: "echo from check >&2; printf '<3>bad\\n<9>odd\\nno end' >&2",
            response: "echo out; echo err >&2")
        try await world.start()
        try await world.runs(1, of: "Talk")
        let lines = world.lines.filter { $0.hasPrefix("Talk: ") }
        #expect(
            lines.prefix(4) == ["Talk: from check", "Talk: bad", "Talk: <9>odd", "Talk: no end"])
        #expect(Set(lines.dropFirst(4)) == ["Talk: out", "Talk: err"])
    }

    @Test(
        "by hand is of no run of a daemon: one that starts leaves it alone, and what a run called not"
    )
    func byHand() async throws {
        let world = try World()
        try world.module(
            "Log",
            check: """
                [ "$CRD_TRIGGER" = request ] || { echo "$CRD_RUN" >'\(world.notes)/run'; exit 1; }
                echo "$CRD_RUN" >>'\(world.notes)/begun'; \(world.forever)
                """)
        try await world.start()
        try await world.runs(1, of: "Log")
        let run = try #require(world.notedLines("run").first)
        try await world.stop(SIGKILL)
        let call = [Binary.path, "-x", "Log"]
        let own = try Program(
            call, environment: world.environment, output: world.log, errors: world.log)
        // As called by a run of a former daemon.
        let former = try Program(
            call, environment: world.environment.merging(["CRD_RUN": run]) { $1 },
            output: world.log, errors: world.log)
        try await eventually("both have begun") { world.notedLines("begun").count == 2 }
        try await world.start()
        #expect(try await former.end() == 128 + SIGKILL)
        try await world.runs(1, of: "Log")
        #expect(!own.hasEnded)
    }

    @Test("is not called well again where its response fails")
    func failingResponse() async throws {
        let world = try World(interval: "100ms")
        let mended = "\(world.notes)/mended"
        try world.module(
            "Odd", check: "[ -e '\(world.notes)/begun' ] || { : >'\(world.notes)/begun'; exit 7; }",
            response: "[ -e '\(mended)' ] || exit 1", manifest: "cooldown = '0s'")
        try await world.start()
        try await eventually("the response has failed") {
            world.lines.contains { $0.contains("Odd: condition held") && $0.contains("failed") }
        }
        try await eventually("it is told what works") {
            world.lines.contains { $0.hasSuffix("Odd: its check works again") }
        }
        try world.write("", to: "notes/mended")
        try await eventually("it responds") {
            world.lines.contains { $0.contains("Odd: condition held") && $0.contains("done") }
        }
        #expect(!world.lines.contains { $0.contains("well again") })
    }

    @Test("no more of the log than its lines: what is not text is replaced")
    func hostileLines() async throws {
        let world = try World()
        try world.module(
            "Odd", check: "printf 'a\\0b\\377c\\n' >&2; head -c 100000 /dev/zero | tr '\\0' x >&2")
        try await world.start()
        try await world.runs(1, of: "Odd")
        let data = try #require(FileManager.default.contents(atPath: world.log))
        #expect(data.range(of: Data("Odd: a?b\u{FFFD}c\n".utf8)) != nil)
        let lengths = world.lines.filter { $0.hasPrefix("Odd: x") }.map { $0.utf8.count - 5 }
        #expect(lengths.reduce(0, +) == 100_000)
        #expect(lengths.allSatisfy { $0 <= 16 << 10 })
    }
}
