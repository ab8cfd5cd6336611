// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// Sole owner of an open file descriptor; closes it when dropped.
public struct Descriptor: ~Copyable, Sendable {
    public let rawValue: CInt

    /// Takes ownership of `rawValue`, which must be open and close-on-exec.
    public init(adopting rawValue: CInt) {
        precondition(rawValue >= 0)
        assert(
            fcntl(rawValue, F_GETFD) & FD_CLOEXEC != 0,
            "descriptor \(rawValue) would leak into children")
        self.rawValue = rawValue
    }

    deinit {
        // Not retried on EINTR: on Linux it is gone already.
        _ = close(rawValue)
    }

    /// Opens a file close-on-exec (open(2)).
    public static func open(
        _ path: FilePath, _ flags: CInt, mode: ModeBits = 0
    ) throws(SystemCallError) -> Descriptor {
        let fd = try systemCall("open", on: path.string) {
            path.withPlatformString { Glibc.open($0, flags | O_CLOEXEC, mode) }
        }
        return Descriptor(adopting: fd)
    }

    /// Opens a regular file for reading, without blocking: neither on the other end of a FIFO nor
    /// on a lease, for which it throws `EWOULDBLOCK` (open(2), `O_NONBLOCK`; fcntl(2),
    /// `F_SETLEASE`).
    ///
    /// - Throws: `SystemCallError`, with `ENXIO` also if it is not a regular file.
    public static func openRegular(_ path: FilePath) throws(SystemCallError) -> Descriptor {
        let file = try open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        guard FileStatus(of: file.rawValue)?.kind == .regular else {
            throw SystemCallError(
                function: "open", errno: .noSuchAddressOrDevice, subject: path.string)
        }
        return file
    }

    /// Connects a blocking stream to a listening Unix socket (connect(2), unix(7)).
    ///
    /// - Throws: `SystemCallError`, with `EAGAIN` if the socket's queue stays full for ten seconds.
    public static func connected(to path: FilePath) throws(SystemCallError) -> Descriptor {
        Descriptor(
            adopting: try systemCall("connect", on: path.string) {
                crd_unix_connect(path.string, connectPatience)
            })
    }

    /// In milliseconds.
    private static let connectPatience: CInt = 10_000

    /// Reads to the end of the file, or to `limit` bytes (read(2)).
    public func readAll(
        limit: Int = .max, subject: @autoclosure () -> String = ""
    ) throws(SystemCallError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(limit, Self.bufferSize))
        while bytes.count < limit {
            let count = try systemCall("read", on: subject()) {
                read(rawValue, &buffer, min(buffer.count, limit - bytes.count))
            }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    private static let bufferSize = 4_096

    /// Writes all of `bytes` (write(2)); the descriptor must be blocking.
    public func writeAll(
        _ bytes: [UInt8], subject: @autoclosure () -> String = ""
    ) throws(SystemCallError) {
        try Self.passAll(bytes, to: "write", on: subject()) { bytes, count, _ in
            write(rawValue, bytes, count)
        }
    }

    /// Sends all of `bytes` (send(2)); the descriptor must be a blocking socket.
    ///
    /// A peer that has hung up gives an error, `EPIPE` or `ECONNRESET`; write(2) would end the
    /// process with SIGPIPE.
    public func sendAll(
        _ bytes: [UInt8], subject: @autoclosure () -> String = ""
    ) throws(SystemCallError) {
        try Self.passAll(bytes, to: "send", on: subject()) { bytes, count, _ in
            send(rawValue, bytes, count, CInt(MSG_NOSIGNAL))
        }
    }

    /// Calls a function that may accept only part of `bytes` until it has accepted all. Each call
    /// gets the number of bytes done so far.
    static func passAll(
        _ bytes: [UInt8], to function: StaticString, on subject: @autoclosure () -> String,
        _ call: (UnsafePointer<UInt8>, _ count: Int, _ done: Int) -> Int
    ) throws(SystemCallError) {
        try bytes.withUnsafeBufferPointer { buffer throws(SystemCallError) in
            var done = 0
            while done < buffer.count {
                done += try systemCall(function, on: subject()) {
                    call(buffer.baseAddress! + done, buffer.count - done, done)
                }
            }
        }
    }
}
