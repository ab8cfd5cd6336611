// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// One connection of a Unix socket, non-blocking.
///
/// It reads only while nothing is waiting to be written and its user has not paused it. So memory
/// stays bounded even if a peer does not read the answers, or asks faster than it is answered.
public final class SocketStream: EventSource {
    private static let share = 1 << 14

    private let socket: Descriptor
    private var output: [UInt8] = []
    private var written = 0
    private var announcedInterest = Interest.readable
    /// Called from `drain` with the bytes read.
    public var received: (ArraySlice<UInt8>) -> Void = { _ in }
    /// Called when the interest has changed.
    public var interestChanged: () -> Void = {}
    /// Called from `drain` when the peer has closed, or cannot be written to.
    public var ended: () -> Void = {}

    init(_ socket: consuming Descriptor) {
        self.socket = socket
    }

    public var descriptor: CInt { socket.rawValue }
    public var interest: Interest { isWriting ? .writable : isPaused ? [] : .readable }
    /// Stops reading, except the last bytes of a peer that has hung up.
    public var isPaused = false {
        didSet { announceInterest() }
    }
    public var isWriting: Bool { written < output.count }

    /// Returns the user at the other end (unix(7), `SO_PEERCRED`).
    public func user() throws(SystemCallError) -> UID { try credentials().uid }

    /// Returns the process, user and groups at the other end (unix(7), `SO_PEERCRED`,
    /// `SO_PEERGROUPS`).
    public func peer() throws(SystemCallError) -> Peer {
        let (pid, uid, gid) = try credentials()
        // As many as the kernel allows a process (NGROUPS_MAX).
        var groups = [GID](repeating: 0, count: 65_536)
        var count = groups.count
        try systemCall("getsockopt", on: "SO_PEERGROUPS") {
            crd_peer_groups(socket.rawValue, &groups, &count)
        }
        return Peer(pid: pid, uid: uid, groups: Set(groups.prefix(count)).union([gid]))
    }

    private func credentials() throws(SystemCallError) -> (pid: PID, uid: UID, gid: GID) {
        var (pid, uid, gid): (PID, UID, GID) = (0, 0, 0)
        try systemCall("getsockopt", on: "SO_PEERCRED") {
            crd_peer_credentials(socket.rawValue, &pid, &uid, &gid)
        }
        return (pid, uid, gid)
    }

    public struct Peer: Sendable {
        public let pid: PID
        public let uid: UID
        public let groups: Set<GID>
    }

    /// Writes as much as the socket accepts now, and the rest later.
    public func send(_ bytes: [UInt8]) {
        let wasWriting = isWriting
        output.append(contentsOf: bytes)
        if !wasWriting { flush() }
    }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        if isWriting { return flush() }
        var closed = false
        let bytes = withUnsafeTemporaryAllocation(byteCount: Self.share, alignment: 1) { buffer in
            let count = recv(socket.rawValue, buffer.baseAddress!, buffer.count, 0)
            let code = Errno(rawValue: errno)
            if count == 0 || (count == -1 && code != .wouldBlock && code != .interrupted) {
                closed = true
            }
            return Array(buffer[..<max(count, 0)])
        }
        if closed { ended() } else if !bytes.isEmpty { received(bytes[...]) }
    }

    private func flush() {
        do throws(SystemCallError) {
            while isWriting { written += try writeSome() }
            output = []
            written = 0
        } catch let error where error.errno == .wouldBlock {
            // The rest waits until the peer has read some.
        } catch {
            return ended()
        }
        announceInterest()
    }

    private func announceInterest() {
        guard interest != announcedInterest else { return }
        announcedInterest = interest
        interestChanged()
    }

    private func writeSome() throws(SystemCallError) -> Int {
        try output.withUnsafeBufferPointer { buffer throws(SystemCallError) in
            // The peer may be gone: that must give an error, not a signal that ends the daemon.
            try systemCall("send") {
                Glibc.send(
                    socket.rawValue, buffer.baseAddress! + written, buffer.count - written,
                    CInt(MSG_NOSIGNAL))
            }
        }
    }
}
