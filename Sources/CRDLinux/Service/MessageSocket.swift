// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// One end of a non-blocking socket pair that preserves message boundaries (unix(7),
/// `SOCK_SEQPACKET`).
public final class MessageSocket: EventSource {
    /// The longest message, in bytes: the event of a rename between two paths of 4,096 bytes, each of
    /// them escaped, in Base64.
    public static let sizeMax = 1 << 17
    /// How many messages one turn receives.
    private static let share = 64

    private let socket: Descriptor
    /// Called from `drain` for each message.
    public var received: ([UInt8]) -> Void = { _ in }
    /// The descriptors that came with the message that is being received; whoever wants one keeps
    /// it.
    public private(set) var passed: [SharedDescriptor] = []
    /// The other end is closed.
    public private(set) var isFinished = false

    /// Makes a pair. The caller passes the second end, a blocking one, to a child and closes it
    /// after the spawn (socketpair(2)).
    public static func pair() throws(SystemCallError) -> (MessageSocket, childEnd: CInt) {
        var ends: (CInt, CInt) = (-1, -1)
        let type = CInt(SOCK_SEQPACKET.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        try systemCall("socketpair") {
            withUnsafeMutableBytes(of: &ends) {
                socketpair(AF_UNIX, type, 0, $0.assumingMemoryBound(to: CInt.self).baseAddress!)
            }
        }
        return (try MessageSocket(adopting: Descriptor(adopting: ends.0)), ends.1)
    }

    /// Takes ownership of an end, which becomes non-blocking (fcntl(2)).
    public init(adopting socket: consuming Descriptor) throws(SystemCallError) {
        self.socket = socket
        let descriptor = self.socket.rawValue
        try systemCall("fcntl") { fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    }

    public var descriptor: CInt { socket.rawValue }

    /// Sends a message, with up to four descriptors (sendmsg(2), `SCM_RIGHTS`).
    ///
    /// - Returns: false if the socket is full.
    public func send(
        _ message: [UInt8], passing descriptors: [CInt] = []
    ) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            try systemCall("sendmsg", on: "helper") {
                crd_send_passing(
                    socket.rawValue, message, message.count, descriptors, descriptors.count)
            }
            return true
        } catch let error where error.errno == .wouldBlock {
            return false
        }
    }

    /// Sends a message, and blocks until there is room for it (poll(2)).
    public func sendWaiting(_ message: [UInt8]) throws(SystemCallError) {
        while try !send(message) { _ = try wait(for: POLLOUT, milliseconds: -1) }
    }

    /// Waits for a message, or for the other end to close (poll(2)); for ever if the time is
    /// negative.
    ///
    /// - Returns: whether `drain` has something to do.
    public func waitForMessage(milliseconds: CInt) throws(SystemCallError) -> Bool {
        try wait(for: POLLIN, milliseconds: milliseconds)
    }

    private func wait(for events: CInt, milliseconds: CInt) throws(SystemCallError) -> Bool {
        var request = pollfd(fd: socket.rawValue, events: Int16(events), revents: 0)
        return try systemCall("poll") { poll(&request, 1, milliseconds) } > 0
    }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        for _ in 0..<Self.share {
            guard let message = try receive() else { return }
            if message.isEmpty {
                isFinished = true
                return
            }
            received(message)
            passed = []
        }
    }

    /// Returns a message; nil if there is none at the moment, empty at the end.
    private func receive() throws(SystemCallError) -> [UInt8]? {
        do throws(SystemCallError) {
            var failure: SystemCallError?
            var descriptors = [CInt](repeating: -1, count: Int(CRD_PASSED_MAX))
            var descriptorCount = 0
            let message = [UInt8](unsafeUninitializedCapacity: Self.sizeMax) { buffer, count in
                do throws(SystemCallError) {
                    count = try systemCall("recvmsg", on: "helper") {
                        crd_receive_passed(
                            socket.rawValue, buffer.baseAddress!, Self.sizeMax, &descriptors,
                            &descriptorCount)
                    }
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            passed = descriptors[..<descriptorCount].map {
                SharedDescriptor(Descriptor(adopting: $0))
            }
            return message
        } catch let error where error.errno == .wouldBlock {
            return nil
        } catch let error where error.errno == .connectionReset {
            return []
        }
    }
}
