// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
public import SystemPackage

/// A listening Unix socket (unix(7)).
public final class SocketListener: EventSource {
    private let socket: Descriptor
    private let accepted: (SocketStream) -> Void
    /// Closed for a moment when no descriptor is left, to hang up on a client that would otherwise
    /// keep the socket ready for ever.
    private var spare: Descriptor?

    /// Binds and listens. An existing file is taken for a former daemon's and removed, so the
    /// caller must hold the lock that excludes a second daemon.
    ///
    /// - Parameters:
    ///   - group: the group that may connect, besides the owner.
    ///   - accepted: called for each new connection.
    public init(
        _ path: FilePath, group: GID?, accepted: @escaping (SocketStream) -> Void
    ) throws(SystemCallError) {
        self.accepted = accepted
        _ = path.withPlatformString { unlink($0) }
        // Until the group is set, only the owner may connect.
        let previous = umask(0o177)
        defer { umask(previous) }
        // As many as the kernel allows (net.core.somaxconn, listen(2)): who fills it keeps others out.
        let backlog = CInt.max
        socket = Descriptor(
            adopting: try systemCall("bind", on: path.string) {
                crd_unix_listen(path.string, backlog)
            })
        spare = try .open("/dev/null", O_RDONLY)
        guard let group else { return }
        try systemCall("chown", on: path.string) {
            path.withPlatformString { chown($0, geteuid(), group) }
        }
        try systemCall("chmod", on: path.string) {
            path.withPlatformString { chmod($0, 0o660) }
        }
    }

    public var descriptor: CInt { socket.rawValue }

    /// How many connections one turn accepts, and how long that may take: a flood of connections
    /// must neither delay other work nor keep others waiting in the queue.
    private static let share = 64
    private static let timeShare = Duration.milliseconds(1)

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        if spare == nil { spare = try? .open("/dev/null", O_RDONLY) }
        let end = Clock.now + Self.timeShare
        for _ in 0..<Self.share {
            guard try acceptNext(), Clock.now < end else { return }
        }
    }

    /// - Returns: whether there may be more.
    private func acceptNext() throws(SystemCallError) -> Bool {
        let connection = crd_accept(socket.rawValue)
        if connection >= 0 {
            accepted(SocketStream(Descriptor(adopting: connection)))
            return true
        }
        switch Errno(rawValue: errno) {
        case .wouldBlock, .interrupted, .connectionAbort: return false
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem:
            spare = nil
            let connection = crd_accept(socket.rawValue)
            if connection >= 0 { close(connection) }
            spare = try? .open("/dev/null", O_RDONLY)
            return false
        case let code: throw SystemCallError(function: "accept4", errno: code, subject: "socket")
        }
    }
}
