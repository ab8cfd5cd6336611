// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import Testing

@testable import CRDLinux

@Suite("PipeWriter", .timeLimit(.minutes(10)))
final class PipeWriterTests {
    private let reactor: Reactor
    private let writer: PipeWriter
    private let token: Reactor.Token
    private var reader: PipeSource?
    private let sink = CollectingSink()

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        reactor = try Reactor()
        let (reading, writing) = try PipeSource.makeEnds()
        writer = try PipeWriter(SharedDescriptor(Descriptor(adopting: writing)))
        token = try reactor.add(writer)
        reader = PipeSource(reading, sink: sink, scratch: .init())
    }

    private func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes(writer.receive) }

    @Test("keeps what there is no room for, and writes it in order when there is")
    func noRoom() throws {
        let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        write(Array(bytes[..<600_000]))
        #expect(writer.isFull && writer.interest == .writable)
        write(Array(bytes[600_000...]))
        try reactor.update(token)
        if let reader { _ = try reactor.add(reader) }
        _ = try reactor.turn { _ in sink.bytes.count == bytes.count }
        #expect(sink.bytes == bytes)
        #expect(!writer.isFull && writer.interest == [] && !writer.isFinished)
    }

    @Test("sleeps while it has nothing to write")
    func idle() throws {
        #expect(try reactor.turn(for: .milliseconds(50)).turns <= 3)
    }

    @Test("notices that the reader has gone before it has read everything")
    func lostReader() throws {
        write([UInt8](repeating: 1, count: 100_000))
        #expect(writer.isFull)
        reader = nil
        _ = try reactor.turn { _ in writer.isFinished }
        #expect(!writer.isFull)
    }

    @Test("notices a reader that goes while there is nothing to write")
    func lostIdleReader() throws {
        reader = nil
        let history = try reactor.turn { _ in writer.isFinished }
        #expect(history.turns == 1)
    }
}
