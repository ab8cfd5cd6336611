// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
public import SystemPackage

/// A Unix socket that others connect to (unix(7)).
public final class SocketListener: EventSource {
    private let socket: Descriptor
    private let accepted: (SocketStream) -> Void
    /// Given up for a moment when no descriptor is left, to hang up on who would else keep the
    /// socket ready for ever.
    private var spare: Descriptor?

    /// Binds and listens; a file that is there is taken for a former daemon's and removed, so the
    /// caller must hold what keeps a second daemon away.
    ///
    /// - Parameters:
    ///   - group: who beside the owner may connect.
    ///   - accepted: called for each new connection.
    public init(
        _ path: FilePath, group: GID?, accepted: @escaping (SocketStream) -> Void
    ) throws(SystemCallError) {
        self.accepted = accepted
        _ = path.withPlatformString { unlink($0) }
        // Until the group is set nobody else may come in.
        let previous = umask(0o177)
        defer { umask(previous) }
        let backlog: CInt = 64
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

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        // One a turn: who floods us with connections waits behind everybody else's work.
        let connection = crd_accept(socket.rawValue)
        if connection >= 0 { return accepted(SocketStream(Descriptor(adopting: connection))) }
        switch Errno(rawValue: errno) {
        case .wouldBlock, .interrupted, .connectionAbort: return
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem:
            spare = nil
            let connection = crd_accept(socket.rawValue)
            if connection >= 0 { close(connection) }
            spare = try? .open("/dev/null", O_RDONLY)
        case let code: throw SystemCallError(function: "accept4", errno: code, subject: "socket")
        }
    }
}
