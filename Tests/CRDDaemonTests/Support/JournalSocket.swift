// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A connection to journald that speaks its native protocol
/// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/), without any help of the code under test.
final class JournalSocket {
    typealias Field = (name: String, value: [UInt8])

    private let socket: CInt

    init(_ path: String) throws {
        socket = Foundation.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(socket, $0, size) }
        }
        // An error thrown here ends in `deinit`, which closes the socket.
        guard result == 0 else {
            throw Trouble("no connection to \(path): \(String(cString: strerror(errno)))")
        }
        var wait = timeval(tv_sec: Int(patience.components.seconds), tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        // So about 400 KB fit into one datagram.
        var room: CInt = 8 << 20
        setsockopt(
            socket, SOL_SOCKET, SO_SNDBUFFORCE, &room, socklen_t(MemoryLayout<CInt>.size))
    }

    deinit { close(socket) }

    /// Sends one entry; waits while journald has too much to read.
    ///
    /// - Parameters:
    ///   - pid: of a living process, which journald takes for the sender: root may claim to be any
    ///     (SCM_CREDENTIALS in unix(7)).
    ///   - uid: likewise any user.
    func send(_ fields: [Field], from pid: pid_t, uid: uid_t) throws {
        var message: [UInt8] = []
        for (name, value) in fields {
            // With its length in front, a value may hold anything.
            message += name.utf8
            message.append(UInt8(ascii: "\n"))
            withUnsafeBytes(of: UInt64(value.count).littleEndian) { message += $0 }
            message += value
            message.append(UInt8(ascii: "\n"))
        }
        var control = Self.credentials(pid, uid, gid_t(uid))
        let size = message.count
        let sent = message.withUnsafeMutableBytes { message in
            control.withUnsafeMutableBytes { control in
                var vector = iovec(iov_base: message.baseAddress, iov_len: message.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    var header = msghdr()
                    header.msg_iov = vector
                    header.msg_iovlen = 1
                    header.msg_control = control.baseAddress
                    header.msg_controllen = control.count
                    return sendmsg(socket, &header, CInt(MSG_NOSIGNAL))
                }
            }
        }
        guard sent == size else {
            throw Trouble("an entry cannot be sent: \(String(cString: strerror(errno)))")
        }
    }

    /// A cmsghdr(3) with a `struct ucred`; Swift has neither the macros nor the struct.
    private static func credentials(_ pid: pid_t, _ uid: uid_t, _ gid: gid_t) -> [UInt8] {
        let headerSize = MemoryLayout<Int>.size + 2 * MemoryLayout<CInt>.size
        let size = headerSize + 3 * MemoryLayout<CInt>.size
        let alignment = MemoryLayout<Int>.size
        var bytes = [UInt8](repeating: 0, count: (size + alignment - 1) / alignment * alignment)
        let kind: CInt = 2  // SCM_CREDENTIALS
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: size, as: Int.self)
            $0.storeBytes(of: SOL_SOCKET, toByteOffset: alignment, as: CInt.self)
            $0.storeBytes(of: kind, toByteOffset: alignment + 4, as: CInt.self)
            $0.storeBytes(of: pid, toByteOffset: headerSize, as: pid_t.self)
            $0.storeBytes(of: uid, toByteOffset: headerSize + 4, as: uid_t.self)
            $0.storeBytes(of: gid, toByteOffset: headerSize + 8, as: gid_t.self)
        }
        return bytes
    }
}
