// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Glibc
import SystemPackage

/// The kernel objects of the next spawn, made while the daemon is idle. Between an event and its
/// check there is then little more than the spawn itself.
final class SpawnSupplies {
    /// A pipe that a child prints into. Our end is registered; the child's end is closed with this
    /// object, or before.
    final class Pipe {
        let source: PipeSource
        let token: Reactor.Token
        private var other: SharedDescriptor?

        /// -1 when it is closed.
        var childEnd: CInt { other?.rawValue ?? -1 }

        /// Closes the child's end, unless somebody else has it, too; the child gets the other one
        /// instead.
        func replaceChildEnd(_ end: SharedDescriptor?) { other = end }

        fileprivate init(
            _ reactor: Reactor, _ scratch: PipeSource.Scratch
        ) throws(SystemCallError) {
            let (source, childEnd) = try PipeSource.make(scratch: scratch)
            other = SharedDescriptor(Descriptor(adopting: childEnd))
            self.source = source
            token = try reactor.add(source)
        }
    }

    /// /dev/null for one run only: all holders of an open file share its position, flags and locks.
    final class Nothing {
        private let file: Descriptor

        var descriptor: CInt { file.rawValue }

        init() throws(SystemCallError) {
            file = try .open("/dev/null", O_RDONLY)
        }
    }

    /// One for standard output and one for standard error.
    private static let pipesMax = 2

    private let reactor: Reactor
    private let scratch = PipeSource.Scratch()
    private var pipes: [Pipe] = []
    private var events: MemoryFile?
    private var nothing: Nothing?

    init(_ reactor: Reactor) {
        self.reactor = reactor
    }

    /// Replaces the supplies that were used. If that fails, the spawn that needs them retries and
    /// reports the error.
    func restock() {
        do throws(SystemCallError) {
            while pipes.count < Self.pipesMax { pipes.append(try Pipe(reactor, scratch)) }
            if events == nil { events = try Self.eventFile() }
            if nothing == nil { nothing = try Nothing() }
        } catch {}
    }

    func pipe(into sink: any OutputSink) throws(SystemCallError) -> Pipe {
        let pipe = if let ready = pipes.popLast() { ready } else { try Pipe(reactor, scratch) }
        pipe.source.sink = sink
        return pipe
    }

    /// Returns a check's standard input.
    func emptyInput() throws(SystemCallError) -> Nothing {
        defer { nothing = nil }
        return if let nothing { nothing } else { try Nothing() }
    }

    /// Returns a `CRD_EVENTS` file for one run.
    func eventFile(_ text: [UInt8]) throws(SystemCallError) -> MemoryFile {
        let file = if let events { events } else { try Self.eventFile() }
        events = nil
        try file.fill(text)
        return file
    }

    private static func eventFile() throws(SystemCallError) -> MemoryFile {
        try MemoryFile(name: "crd-events")
    }
}
