// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import Testing

@testable import CRDLinux

/// Keeps what it is given.
final class CollectingSink: OutputSink {
    private(set) var bytes: [UInt8] = []
    private(set) var finishes = 0
    var isFull = false

    func receive(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
    func outputHasEnded() { finishes += 1 }
}

@Suite("PipeSource", .timeLimit(.minutes(10)))
final class PipeSourceTests {
    private let sink = CollectingSink()
    private let source: PipeSource
    private let childEnd: Descriptor

    init() throws {
        let (source, childEnd) = try PipeSource.make(into: sink)
        self.source = source
        self.childEnd = Descriptor(adopting: childEnd)
    }

    /// Fills the pipe with more than one turn's share.
    private func fill(_ count: Int) throws -> [UInt8] {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let setPipeSize: CInt = 1031  // F_SETPIPE_SZ
        try #require(fcntl(childEnd.rawValue, setPipeSize, CInt(1 << 20)) != -1)
        try childEnd.writeAll(bytes)
        return bytes
    }

    @Test("our end does not block, the child's does") func blocking() {
        #expect(fcntl(source.descriptor, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(childEnd.rawValue, F_GETFL) & O_NONBLOCK == 0)
    }

    @Test("takes a share a turn, in order") func share() throws {
        let bytes = try fill(300_000)
        var events: [Event] = []
        try source.drain(into: &events)
        #expect(sink.bytes.count == 65_536)
        for _ in 0..<10 { try source.drain(into: &events) }
        #expect(sink.bytes == bytes)
        #expect(events.isEmpty && !source.isFinished && sink.finishes == 0)
    }

    @Test("a sink that is full gets nothing, and the rest when it is not, without a spin")
    func fullSink() throws {
        let reactor = try Reactor()
        _ = try reactor.add(source)
        sink.isFull = true
        try childEnd.writeAll(Array("one".utf8))
        let held = try reactor.turn(for: .milliseconds(50))
        #expect(sink.bytes.isEmpty)
        #expect(held.turns <= 3)
        sink.isFull = false
        #expect(source.hasBacklog)
        var events: [Event] = []
        _ = try reactor.wait(into: &events)
        #expect(sink.bytes.elementsEqual("one".utf8))
        try childEnd.writeAll(Array("two".utf8))
        _ = try reactor.wait(into: &events)
        #expect(sink.bytes.elementsEqual("onetwo".utf8))
    }

    @Test("a sink that is full is no hindrance if somebody waits for the output")
    func urgent() throws {
        sink.isFull = true
        source.isUrgent = true
        try childEnd.writeAll(Array("one".utf8))
        var events: [Event] = []
        try source.drain(into: &events)
        #expect(sink.bytes.elementsEqual("one".utf8))
    }

    @Test("takes what the child left at its end") func rest() throws {
        let bytes = try fill(300_000)
        source.readRest()
        #expect(sink.bytes == bytes)
        #expect(sink.finishes == 1)
    }

    @Test("finishes without anything to take, too") func empty() {
        source.readRest()
        #expect(sink.bytes.isEmpty)
        #expect(sink.finishes == 1)
    }

    @Test("is let go of at the end of file, and does not spin") func endOfFile() throws {
        let reactor = try Reactor()
        let source = try Self.closedByTheChild(into: sink)
        _ = try reactor.add(source)
        let history = try reactor.turn(for: .milliseconds(50))
        #expect(source.isFinished)
        #expect(history.turns <= 3)
    }

    private static func closedByTheChild(into sink: CollectingSink) throws -> PipeSource {
        let (source, childEnd) = try PipeSource.make(into: sink)
        close(childEnd)
        return source
    }

    @Test("takes no more than was there, though a grandchild writes on for ever")
    func endlessGrandchild() throws {
        let process = try Shell("yes & echo $! >&2; sleep 0.1").start(
            printingInto: childEnd.rawValue)
        #expect(try process.wait() == .exited(0))
        source.readRest()
        #expect(sink.finishes == 1)
        #expect(!sink.bytes.isEmpty && sink.bytes.count <= 65_536)
        let first = String(decoding: sink.bytes, as: UTF8.self).split(separator: "\n")
            .lazy.compactMap { PID($0) }.first
        kill(try #require(first), SIGKILL)
    }
}
