// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A connection to the daemon's socket, also for what well-behaved clients would not send.
final class VarlinkClient {
    private let socket: CInt
    private var rest: [UInt8] = []

    init(_ path: String) throws {
        socket = Foundation.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
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
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(socket) }

    /// Whether all of it was taken.
    @discardableResult
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return Foundation.send(socket, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count
    }

    /// The next message; nil when the daemon has hung up.
    func receive() throws -> [String: Any]? {
        while true {
            if let end = rest.firstIndex(of: 0) {
                let message = Data(rest[..<end])
                rest.removeSubrange(...end)
                return try JSONSerialization.jsonObject(with: message) as? [String: Any]
            }
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(socket, &buffer, buffer.count, 0)
            if count == -1 && errno == EINTR { continue }
            if count == -1 && errno == EAGAIN { throw Trouble("the daemon does not answer") }
            guard count > 0 else { return nil }
            rest += buffer[..<count]
        }
    }

    /// Whether an answer has begun to come, or the daemon has hung up.
    var isReadable: Bool {
        var end = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&end, 1, 0) == 1
    }

    func call(_ method: String, _ parameters: String = "{}") throws -> [String: Any]? {
        send("{\"method\":\"\(method)\",\"parameters\":\(parameters)}\0")
        return try receive()
    }

    func list() throws -> Listing {
        guard let reply = try call("org.crd.Reactor.List"), let parameters = reply["parameters"]
        else { throw Trouble("List is not answered") }
        let data = try JSONSerialization.data(withJSONObject: parameters)
        return try JSONDecoder().decode(Listing.self, from: data)
    }
}
