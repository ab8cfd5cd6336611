// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import Testing

@testable import CRDLinux

@Suite("MessageSocket", .timeLimit(.minutes(10)))
struct MessageSocketTests {
    @Test("passes descriptors with the message they were sent with, close-on-exec")
    func passing() throws {
        let (one, childEnd) = try MessageSocket.pair()
        let other = try MessageSocket(adopting: Descriptor(adopting: childEnd))
        let files = try [MemoryFile(name: "a", [1]), MemoryFile(name: "b", [2])]
        var received: [([UInt8], [SharedDescriptor])] = []
        other.received = { received.append(($0, other.passed)) }
        #expect(try one.send([7], passing: files.map(\.descriptor)))
        #expect(try one.send([8, 9]))
        var events: [Event] = []
        try other.drain(into: &events)
        #expect(received.map(\.0) == [[7], [8, 9]])
        #expect(received.map(\.1.count) == [2, 0])
        let contents = try received[0].1.map { try $0.descriptor.readAll() }
        #expect(contents == [[1], [2]])
        #expect(received[0].1.allSatisfy { fcntl($0.rawValue, F_GETFD) & FD_CLOEXEC != 0 })
        #expect(other.passed.isEmpty)
    }
}
