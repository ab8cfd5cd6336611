// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite("The control socket", .takesTurns)
struct ControlTests {
    /// A daemon with one idle module.
    ///
    /// - Parameter more: further lines of crd.conf.
    private func world(more: String = "") async throws -> World {
        let world = try World(more: more)
        try world.module("One", check: "exit 1", manifest: "description = \"The first\"")
        try await world.start()
        try await world.runs(1, of: "One")
        return world
    }

    private func error(_ reply: [String: Any]?) -> String? { reply?["error"] as? String }

    @Test("answers crd list, as a table and as JSON")
    func list() async throws {
        // The disk may differ from what the daemon knows.
        let world = try await world(more: "auto-reload = false")
        try world.makeDirectory("support/Tool")
        let table = try await world.crd(["list"])
        #expect(table.code == 0)
        #expect(table.errors.isEmpty)
        let rows = table.output.split(separator: "\n").map {
            $0.split(separator: " ").map(String.init)
        }
        #expect(rows.first == ["MODULE", "STATE", "RUNS", "RESPONSES", "LAST", "RUN"])
        #expect(rows.last?.prefix(4) == ["One", "idle", "1", "0"])
        #expect(table.output.contains("by start: check exit code 1"))

        let json = try await world.crd(["list", "--json"])
        let listing = try JSONDecoder().decode(Listing.self, from: Data(json.output.utf8))
        #expect(listing.daemon?.pid == world.daemon.map { Int($0.pid) })
        #expect(listing.modules.map(\.name) == ["One"])
        #expect(listing.modules.first?.last?.check == "exit code 1")
    }

    @Test("is not needed: without a daemon the disk is read, and that is said")
    func withoutDaemon() async throws {
        let world = try World()
        try world.module("One", check: "exit 1")
        try world.module("Off", check: "exit 1", manifest: "enabled = false")
        try world.module("Bad", check: "exit 1", manifest: "nonsense = 1")
        try world.makeDirectory("support/Tool")
        try world.script("exit 0", at: "support/Tool/Tool")
        let outcome = try await world.crd(["list", "--json"])
        #expect(outcome.code == 0)
        #expect(outcome.errors.contains("no daemon answers at \(world.socket)"))
        #expect(outcome.errors.contains("crd daemon"))
        let listing = try JSONDecoder().decode(Listing.self, from: Data(outcome.output.utf8))
        #expect(listing.daemon == nil)
        #expect(outcome.output.contains("\"daemon\" : null"), "\(outcome.output)")
        #expect(
            listing.modules.map { "\($0.name) \($0.kind) \($0.state)" } == [
                "Bad user failed", "Off user disabled", "One user stopped",
                "Tool support installed",
            ])

        // The same after a daemon was killed and left its socket behind.
        let daemon = try await world.start()
        daemon.send(SIGKILL)
        try await daemon.end()
        #expect(try await world.crd(["list"]).errors.contains("no daemon answers"))
    }

    @Test("describes itself")
    func introspection() async throws {
        let world = try await world()
        let client = try VarlinkClient(world.socket)
        let info = try client.call("org.varlink.service.GetInfo")?["parameters"] as? [String: Any]
        #expect(info?["product"] as? String == "crd")
        #expect(info?["interfaces"] as? [String] == ["org.crd.Reactor", "org.varlink.service"])
        for name in ["org.crd.Reactor", "org.varlink.service"] {
            let reply = try client.call(
                "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"\(name)\"}")
            let text = (reply?["parameters"] as? [String: Any])?["description"] as? String
            #expect(text?.contains("interface \(name)\n") == true)
            #expect(text?.contains("method ") == true)
        }
    }

    @Test("refuses what it does not know by name")
    func unknown() async throws {
        let world = try await world()
        let client = try VarlinkClient(world.socket)
        let service = "org.varlink.service"
        func parameter(_ reply: [String: Any]?, _ name: String) -> String? {
            (reply?["parameters"] as? [String: Any])?[name] as? String
        }
        let method = try client.call("org.crd.Reactor.Explode")
        #expect(error(method) == "\(service).MethodNotFound")
        #expect(parameter(method, "method") == "org.crd.Reactor.Explode")
        let interface = try client.call("com.example.Other.List")
        #expect(error(interface) == "\(service).InterfaceNotFound")
        #expect(parameter(interface, "interface") == "com.example.Other")
        for odd in ["", ".", "List", "org.crd.Reactor."] {
            #expect(error(try client.call(odd))?.hasSuffix("NotFound") == true, "\(odd)")
        }
        let missing = try client.call("\(service).GetInterfaceDescription")
        #expect(error(missing) == "\(service).InvalidParameter")
        let nowhere = try client.call(
            "\(service).GetInterfaceDescription", "{\"interface\":\"a.b\"}")
        #expect(error(nowhere) == "\(service).InterfaceNotFound")
    }

    @Test("takes calls in pieces and in heaps")
    func framing() async throws {
        let world = try await world()
        let client = try VarlinkClient(world.socket)
        let call = "{\"method\":\"org.varlink.service.GetInfo\"}\0"
        client.send(call + call)
        #expect(try client.receive()?["parameters"] != nil)
        #expect(try client.receive()?["parameters"] != nil)
        for piece in [call.prefix(10), call.dropFirst(10)] {
            client.send(String(piece))
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(try client.receive()?["parameters"] != nil)
        // A call that wants no answer gets none: what follows is answered next.
        client.send("{\"method\":\"org.crd.Reactor.List\",\"oneway\":true}\0" + call)
        let info = try client.receive()?["parameters"] as? [String: Any]
        #expect(info?["product"] != nil)
    }

    @Test(
        "hangs up on what is no call, and serves on",
        arguments: ["\0", "nonsense\0", "[]\0", "{\"method\":1}\0", "{}\0", "\u{0}\u{0}"])
    func garbage(text: String) async throws {
        let world = try await world()
        let client = try VarlinkClient(world.socket)
        client.send(text)
        #expect(try client.receive() == nil)
        #expect(try world.list().modules.count == 1)
    }

    @Test("hangs up on a message longer than 64 KiB, on half a message, on nobody who waits")
    func tooLong() async throws {
        let world = try await world()
        let waiting = try VarlinkClient(world.socket)
        waiting.send("{\"method\":\"org.varl")
        let long = try VarlinkClient(world.socket)
        long.send("{\"method\":\"org.varlink.service.GetInfo\",\"x\":\"")
        for _ in 0..<70 where !long.send(String(repeating: "x", count: 1024)) { break }
        #expect(try long.receive() == nil)
        do {
            let half = try VarlinkClient(world.socket)
            half.send("{\"method\":")
        }
        waiting.send("ink.service.GetInfo\"}\0")
        #expect(try waiting.receive()?["parameters"] != nil)
    }

    @Test(
        "G14: takes no descriptor from a client: to close one may take as long as the client likes")
    func passedDescriptor() async throws {
        let world = try await world()
        // Since 6.16, Linux refuses passed descriptors on request (SO_PASSRIGHTS).
        let script = """
            import array, errno, os, socket, sys
            client = socket.socket(socket.AF_UNIX)
            client.connect(sys.argv[1])
            probe = socket.socket(socket.AF_UNIX)
            try:
                probe.setsockopt(socket.SOL_SOCKET, 83, 0)
            except OSError:
                print("refused")
                sys.exit()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]
            try:
                client.sendmsg([b"x"], rights)
                print("taken")
            except OSError as error:
                print("refused" if error.errno == errno.EPERM else error)
            """
        let outcome = try await Outcome.of(
            ["/usr/bin/env", "python3", "-c", script, world.socket], in: world.directory)
        #expect(outcome.output == "refused\n", "\(outcome)")
    }

    @Test("serves so many at once, and more when those have gone")
    func crowd() async throws {
        let world = try await world()
        let daemon = try #require(world.daemon)
        // By now the daemon has prepared its next check.
        _ = try world.list()
        let before = Processes.descriptors(of: daemon.pid).count
        do {
            // Its answer proves that the earlier connections are closed.
            let first = try VarlinkClient(world.socket)
            #expect(try first.call("org.varlink.service.GetInfo") != nil)
            let clients = try [first] + (1..<100).map { _ in try VarlinkClient(world.socket) }
            let answers = try clients.map { try $0.call("org.varlink.service.GetInfo") }
            #expect(answers.prefix(64).allSatisfy { $0 != nil })
            #expect(answers.contains { $0 == nil })
        }
        try await eventually("the descriptors are closed") {
            Processes.descriptors(of: daemon.pid).count <= before
        }
        #expect(try world.list().modules.count == 1)
    }

    @Test("a daemon that hangs up is told as that", arguments: ["list", "reload"])
    func hangingUp(command: String) async throws {
        let world = try World()
        try world.makeDirectory("run")
        let server = try HangingUp(world.socket)
        defer { server.stop() }
        // Whether the peer leaves before or after the question is a matter of luck.
        for _ in 0..<20 {
            let outcome = try await world.crd([command])
            #expect(outcome.code == 1)
            #expect(outcome.output.isEmpty)
            #expect(
                outcome.errors.hasPrefix(
                    "crd: the daemon at \(world.socket) closed the connection without answering"),
                "\(outcome)")
        }
    }

    @Test("a client that never reads its answers makes nothing grow")
    func deaf() async throws {
        let world = try World()
        for index in 0..<200 { try world.module("M\(index)", check: "exit 1") }
        let daemon = try await world.start()
        try await world.runs(1, of: "M199")
        let before = Processes.residentKiB(daemon.pid)
        let client = try VarlinkClient(world.socket)
        let call = "{\"method\":\"org.crd.Reactor.List\"}\0"
        client.send(String(repeating: call, count: 450))
        try await Task.sleep(for: .milliseconds(500))
        _ = try world.list()
        #expect(Processes.residentKiB(daemon.pid) - before < 8 << 10)
    }

    @Test(
        "G13: is closed to other users, even where its file is not",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func otherUsers() async throws {
        let world = try await world()
        let closed = try await world.crd(["list"], prefix: Surroundings.asNobody)
        #expect(closed.code == 1)
        #expect(closed.output.isEmpty)
        #expect(
            closed.errors.contains(world.socket) && closed.errors.contains("join the group crd"))

        chmod(world.socket, 0o666)
        let refused = try await world.crd(["list"], prefix: Surroundings.asNobody)
        #expect(refused.code == 1)
        #expect(refused.output.isEmpty)
        #expect(
            refused.errors.hasPrefix(
                "crd: the daemon at \(world.socket) does not allow nobody to do that: "),
            "\(refused)")
        #expect(refused.errors.contains("run crd as root, or join the group"))
        #expect(!refused.errors.contains("PermissionDenied"))
    }

    @Test(
        "G13: is open for reading to the members of the group crd",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func members() async throws {
        let world = try World()
        try world.module("One", check: "exit 1")
        try await startWithMembers(world)
        #expect(try await world.crd(["list"], prefix: Self.asMember).output.contains("One"))
        let other = try await world.crd(["list"], prefix: Surroundings.asNobody)
        #expect(other.code == 1)
    }

    /// A prefix that runs a command as nobody, who is in the group crd.
    private static let asMember = [
        Surroundings.asNobody[0], "--reuid=65534", "--regid=65534", "--groups=54322",
    ]

    /// Starts the daemon where a group crd exists.
    private func startWithMembers(_ world: World) async throws {
        let groups = try String(contentsOfFile: "/etc/group", encoding: .utf8)
            .split(separator: "\n").filter { !$0.hasPrefix("crd:") }.joined(separator: "\n")
        let file = try world.write(groups + "\ncrd:x:54322:\n", to: "group")
        try await world.start([
            "/usr/bin/unshare", "--mount", "/bin/sh", "-c",
            "mount --bind '\(file)' /etc/group && exec \"$@\"", "sh",
        ])
    }

    @Test("G15: what happens is served before all who have asked are")
    func crowdAsks() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        for index in 0..<200 { try world.module("M\(index)", check: "exit 1") }
        // It stops the daemon, to leave time to see how far the daemon has got.
        try world.module(
            "Path",
            check: """
                [ "$CRD_TRIGGER" = path ] && [ ! -e '\(world.notes)/stopped' ] || exit 1
                kill -STOP "$(cat '\(world.notes)/pid')" && : >'\(world.notes)/stopped'
                exit 1
                """, manifest: PathTests.trigger(data))
        let daemon = try await world.start()
        try await world.runs(1, of: "Path")
        try await world.runs(1, of: "M199")
        try world.write("\(daemon.pid)", to: "notes/pid")
        let clients = try (0..<32).map { _ in try VarlinkClient(world.socket) }
        for client in clients {
            #expect(try client.call("org.varlink.service.GetInfo") != nil)
        }
        daemon.send(SIGSTOP)
        for client in clients { client.send("{\"method\":\"org.crd.Reactor.List\"}\0") }
        try PathTests.create("\(data)/file")
        daemon.send(SIGCONT)
        try await eventually("the check runs") { world.note("stopped") != nil }
        let answered = clients.count(where: \.isReadable)
        daemon.send(SIGCONT)
        #expect(answered < 24, "\(answered) of 32 were answered first")
        for client in clients { #expect(try client.receive()?["parameters"] != nil) }
    }

    /// Opens a hundred connections and keeps them, then opens one after another.
    private static let flood = """
        import socket, sys
        def connection():
            end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            end.connect(sys.argv[1])
            return end
        kept = [connection() for _ in range(100)]
        for number in range(1 << 40):
            connection().close()
            if number == 3000: open(sys.argv[2], "w").close()
        """

    @Test("G15: connections that end before their calls are answered leave nothing behind")
    func churn() async throws {
        let world = try World()
        try world.module("One", check: "exit 1")
        let daemon = try await world.start()
        let calls = String(
            repeating: #"{"method":"org.varlink.service.GetInfo"}"# + "\0", count: 50)
        // While it is stopped, they gather in the queue of the socket.
        let room = try String(contentsOfFile: "/proc/sys/net/core/somaxconn", encoding: .utf8)
        let count = min(1_000, (Int(room.prefix { $0.isNumber }) ?? 128) / 2)
        daemon.send(SIGSTOP)
        for _ in 0..<count { try VarlinkClient(world.socket).send(calls) }
        daemon.send(SIGCONT)
        var highest = 0
        for _ in 0..<200 { highest = max(highest, Processes.descriptors(of: daemon.pid).count) }
        try await eventually("it answers") { (try? world.list())?.modules.count == 1 }
        #expect(highest < 220, "\(highest)")
        #expect(try await world.stop() == 0)
    }

    @Test(
        "G15: one reader who takes all connections that it can keeps nobody else away",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"),
        .enabled(if: Surroundings.find("python3") != nil, "needs python3"))
    func flooding() async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        try world.module("One", check: "exit 1", manifest: PathTests.trigger(data))
        try await startWithMembers(world)
        try await world.runs(1, of: "One")
        let python = try #require(Surroundings.find("python3"))
        let flooded = "\(world.notes)/flooded"
        let attacker = try Program(
            Self.asMember + [python, "-c", Self.flood, world.socket, flooded],
            environment: World.environment, output: world.log, errors: world.log)
        try await eventually("the attack goes on") {
            if attacker.hasEnded { throw Trouble("the attacker ended: \(world.lines.suffix(5))") }
            return access(flooded, F_OK) == 0
        }
        // The attacker has 16 of 64, and at times one more that is about to be closed.
        let clients = try (0..<48).map { _ in try VarlinkClient(world.socket) }
        for client in clients { #expect(try client.list().modules.count == 1) }
        try PathTests.create("\(data)/file")
        try await eventually("a trigger is answered") {
            (try clients[0].list().modules.first?.runs ?? 0) >= 2
        }
        #expect(!attacker.hasEnded)
        let lines = world.lines.filter { $0.contains(" since the last such line, ") }
        // One line a minute; a slow machine may take several.
        #expect((1...5).contains(lines.count), "\(lines.count)")
        #expect(lines.first?.contains("uid 65534: it has 16 connections") == true, "\(lines)")
    }
}

/// Accepts connections as a daemon would, and closes each at once.
private final class HangingUp: Sendable {
    private let listener: CInt

    init(_ path: String) throws {
        let listener = Foundation.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        self.listener = listener
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) }
        }
        guard result == 0, listen(listener, 8) == 0 else { throw Trouble("no socket at \(path)") }
        Thread.detachNewThread {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                close(connection)
            }
            close(listener)
        }
    }

    /// Ends the thread; accepts no more connections.
    func stop() {
        shutdown(listener, CInt(SHUT_RDWR))
    }
}
