// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A Unix socket that receives messages (unix(7)).
final class NotifySocket {
    let path: String
    private let socket: CInt
    private(set) var received: [String] = []

    init(_ path: String) throws {
        self.path = path
        socket = Foundation.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
        guard with(Foundation.bind) == 0 else { throw Trouble("bind: \(errno)") }
    }

    deinit { close(socket) }

    private func with(_ call: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        sockaddr.with(path) { call(socket, $0, $1) }
    }

    /// Leaves no room for any message.
    func fill() throws {
        let sender = Foundation.socket(
            AF_UNIX, CInt(SOCK_DGRAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
        defer { close(sender) }
        while sockaddr.with(path, { CInt(sendto(sender, "x", 1, 0, $0, $1)) }) == 1 {}
        guard errno == EAGAIN else { throw Trouble("sendto: \(errno)") }
    }

    /// All messages received so far.
    @discardableResult
    func receive() -> [String] {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return received }
            received.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }
}

extension sockaddr {
    /// Calls `body` with the address of a path, or of an abstract name that begins with '@'.
    fileprivate static func with(
        _ name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = name.utf8.map { name.hasPrefix("@") && $0 == UInt8(ascii: "@") ? 0 : $0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        // An abstract name has exactly the given length.
        let size = MemoryLayout<sa_family_t>.size + bytes.count + (bytes.first == 0 ? 0 : 1)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
        }
    }
}
