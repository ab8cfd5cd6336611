// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// What a service manager is told, word by word (sd_notify(3)).
@Suite("The service manager", .takesTurns)
struct NotificationTests {
    @Test("is told of the start, of a reload and its time, of the end, and modules are not")
    func messages() async throws {
        let world = try World(more: "auto-reload = false")
        try world.module(
            "Log",
            check: "env | grep -c '^NOTIFY_SOCKET\\|^WATCHDOG' >>'\(world.notes)/env'; exit 1")
        let socket = try DatagramSocket("\(world.directory)/notify")
        let daemon = try await world.start(
            environment: World.environment.merging([
                "NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "400000",
            ]) { $1 })
        try await eventually("it is ready") {
            socket.receive().contains("READY=1\nSTATUS=1 module, all well")
        }
        try await eventually("it is alive") { socket.receive().contains("WATCHDOG=1") }
        func now() -> UInt64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
        }
        let before = now()
        daemon.send(SIGHUP)
        try await eventually("it was reloaded") {
            socket.received.last { $0 != "WATCHDOG=1" } == "READY=1\nSTATUS=1 module, all well"
                && socket.receive().contains { $0.hasPrefix("RELOADING=1\n") }
        }
        let reloading = try #require(socket.received.first { $0.hasPrefix("RELOADING=1\n") })
        let fields = reloading.split(separator: "\n").map(String.init)
        let time = try #require(fields.first { $0.hasPrefix("MONOTONIC_USEC=") })
        let told = try #require(UInt64(time.dropFirst("MONOTONIC_USEC=".count)))
        #expect(told >= before && told <= now())
        try await world.stop()
        let end = try #require(socket.receive().last { $0.hasPrefix("STOPPING=1") })
        #expect(end.contains("EXTEND_TIMEOUT_USEC="))
        #expect(world.notedLines("env") == ["0"])
    }
}

/// A Unix socket that messages come to (unix(7)).
private final class DatagramSocket {
    let path: String
    private let socket: CInt
    private(set) var received: [String] = []

    init(_ path: String) throws {
        self.path = path
        socket = Foundation.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, size) }
        }
        guard result == 0 else { throw Trouble("bind: \(errno)") }
    }

    deinit { close(socket) }

    /// All that has come until now.
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
