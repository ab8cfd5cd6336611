// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

/// The binding changes the umask for a moment, so each test has a process of its own.
@Suite("SocketListener and SocketStream", .timeLimit(.minutes(10)))
struct SocketTests {
    private let directory: TemporaryDirectory
    private var socket: String { directory["socket"].string }

    init() throws { directory = try TemporaryDirectory() }

    /// A listener in a reactor, and what it received.
    private final class Server {
        let reactor: Reactor
        var streams: [SocketStream] = []

        init(_ path: String, group: GID? = nil) throws {
            reactor = try Reactor()
            let listener = try SocketListener(FilePath(path), group: group) { [weak self] in
                self?.streams.append($0)
            }
            _ = try reactor.add(listener)
        }

        func accept(_ path: String) throws -> (client: CInt, stream: SocketStream, Reactor.Token) {
            let client = try systemCall("connect") { crd_unix_connect(path, 0) }
            let count = streams.count
            _ = try reactor.turn { _ in streams.count > count }
            let stream = try #require(streams.last)
            let token = try reactor.add(stream)
            stream.interestChanged = { [reactor] in try? reactor.update(token) }
            stream.ended = { [reactor] in reactor.remove(token) }
            return (client, stream, token)
        }
    }

    @Test("a peer that has hung up is an error to who asks it, and no signal")
    func hangUp() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_DFL)
            var pair: [CInt] = [-1, -1]
            let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            try #require(socketpair(AF_UNIX, kind, 0, &pair) == 0)
            close(pair[1])
            let socket = Descriptor(adopting: pair[0])
            do throws(SystemCallError) {
                try socket.sendAll([1], subject: "peer")
                Issue.record("it was sent to nobody")
            } catch {
                #expect(error.errno == .brokenPipe)
            }
        }
    }

    @Test("reads nothing while it is paused, and goes on where it was")
    func paused() async {
        await #expect(processExitsWith: .success) { [path = socket as String] in
            let server = try Server(path)
            let (client, stream, _) = try server.accept(path)
            var read: [UInt8] = []
            stream.received = { read += $0 }
            stream.isPaused = true
            try #require(write(client, [7], 1) == 1)
            // The reactor turns for another client.
            let (other, _, _) = try server.accept(path)
            #expect(read.isEmpty)
            stream.isPaused = false
            _ = try server.reactor.turn { _ in !read.isEmpty }
            #expect(read == [7])
            close(other)
            close(client)
        }
    }

    @Test("gives a slow reader all of a big reply, and reads nothing of it meanwhile")
    func slowReader() async {
        await #expect(processExitsWith: .success) { [path = socket as String] in
            let server = try Server(path)
            let (client, stream, _) = try server.accept(path)
            let reply = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 5) }
            var asked = 0
            stream.received = {
                asked += $0.count
                stream.send(reply)
                stream.send([1, 2, 3])
            }
            send(client, "?", 1, 0)
            _ = try server.reactor.turn { _ in stream.isWriting }
            // More questions wait in the socket, not in our memory.
            send(client, "???", 3, 0)
            #expect(try server.reactor.turn(for: .milliseconds(50)).turns == 1)
            #expect(asked == 1)
            var answer: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: 100_000)
            while answer.count < reply.count + 3 {
                _ = try server.reactor.turn(for: .milliseconds(1))
                let count = recv(client, &piece, piece.count, CInt(MSG_DONTWAIT))
                if count > 0 { answer += piece[..<count] }
            }
            #expect(
                answer.starts(with: reply) && answer.dropFirst(reply.count).starts(with: [1, 2, 3]))
            _ = try server.reactor.turn { _ in asked == 4 }
            #expect(asked == 4)
        }
    }

    @Test("tells that the peer has gone", arguments: [false, true])
    func gone(whileWriting: Bool) async {
        await #expect(processExitsWith: .success) {
            [path = socket as String, whileWriting = whileWriting as Bool] in
            let server = try Server(path)
            let (client, stream, token) = try server.accept(path)
            var ended = 0
            stream.ended = { [reactor = server.reactor] in
                ended += 1
                reactor.remove(token)
            }
            if whileWriting { stream.send([UInt8](repeating: 0, count: 1 << 22)) }
            #expect(stream.isWriting == whileWriting)
            close(client)
            _ = try server.reactor.turn(for: .milliseconds(50))
            #expect(ended == 1)
        }
    }

    @Test("tells who is at the other end", .enabled(if: geteuid() == 0)) func peer() async {
        await #expect(processExitsWith: .success) { [path = socket as String] in
            let server = try Server(path, group: 65_533)
            let (_, own, _) = try server.accept(path)
            #expect(try own.peer().uid == 0)
            #expect(try own.peer().pid == getpid())
            // A member of the socket's group only by a supplementary group.
            var groups: [gid_t] = [65_533, 9]
            setgroups(2, &groups)
            setegid(7)
            seteuid(65_534)
            let (_, other, _) = try server.accept(path)
            seteuid(0)
            let peer = try other.peer()
            #expect(peer.uid == 65_534)
            #expect(peer.groups == [7, 9, 65_533])
            // The file's mode shuts everybody else out.
            setgroups(0, nil)
            seteuid(65_534)
            let refused = crd_unix_connect(path, 0)
            let code = errno
            #expect(refused == -1 && code == EACCES)
        }
    }

    @Test(
        "is its owner's, or also its group's", .enabled(if: geteuid() == 0),
        arguments: [
            (GID?.none, ModeBits(0o600)), (7, 0o660),
        ])
    func mode(group: GID?, mode: ModeBits) async {
        await #expect(processExitsWith: .success) {
            [path = socket as String, group = group as GID?, mode = mode as UInt32] in
            umask(0)
            _ = try Server(path, group: group)
            var status = stat()
            stat(path, &status)
            #expect(status.st_mode & 0o7777 == mode)
            #expect(status.st_gid == group ?? getegid())
            #expect(umask(0) == 0, "the umask is as before")
        }
    }

    @Test("takes the place of a former daemon's socket, but of no directory") func place() async {
        await #expect(processExitsWith: .success) { [path = socket as String] in
            _ = try Server(path)
            let (client, _, _) = try Server(path).accept(path)
            #expect(client >= 0)
            mkdir(path + ".d", 0o755)
            let taken = #expect(throws: SystemCallError.self) { _ = try Server(path + ".d") }
            #expect(
                taken?.description
                    == "bind '\(path).d': Address already in use; remove it if no crd is running")
            let long = "/tmp/" + String(repeating: "x", count: 110)
            let tooLong = #expect(throws: SystemCallError.self) { _ = try Server(long) }
            #expect(tooLong?.errno == .fileNameTooLong)
        }
    }

    @Test("G15: accepts many at a time, and a client does not wait for a place for ever")
    func flood() async {
        await #expect(processExitsWith: .success) { [path = socket as String] in
            let server = try Server(path)
            let clients = (0..<64).map { _ in crd_unix_connect(path, 0) }
            #expect(clients.allSatisfy { $0 >= 0 })
            let history = try server.reactor.turn { _ in server.streams.count == clients.count }
            #expect(history.turns <= 8)
            let full = path + ".full"
            let listener = crd_unix_listen(full, 0)
            #expect(listener >= 0 && crd_unix_connect(full, 0) >= 0)
            let refused = crd_unix_connect(full, 30)
            let code = errno
            #expect(refused == -1 && code == EAGAIN)
        }
    }

    @Test("hangs up when descriptors run out, and goes on when there are some again")
    func outOfDescriptors() async {
        await #expect(processExitsWith: .success) { [path = socket as String] in
            let server = try Server(path)
            let client = crd_unix_connect(path, 0)
            var hoard: [CInt] = []
            while case let fd = open("/dev/null", O_RDONLY | O_CLOEXEC), fd >= 0 {
                hoard.append(fd)
            }
            close(hoard.removeLast())  // The alarm of `turn` needs one.
            let history = try server.reactor.turn(for: .milliseconds(50))
            #expect(history.failures.isEmpty && history.turns <= 3 && server.streams.isEmpty)
            var byte: UInt8 = 0
            #expect(recv(client, &byte, 1, 0) == 0)
            close(client)
            for fd in hoard { close(fd) }
            _ = try server.accept(path)
            #expect(server.streams.count == 1)
        }
    }
}
