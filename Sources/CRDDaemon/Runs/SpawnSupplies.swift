// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Glibc
import SystemPackage

/// What the next spawn needs of the kernel, made while nobody waits for it: between an event and
/// its check there is then little more than the spawn itself.
final class SpawnSupplies {
    /// A pipe for a child to print into. Our end is registered; the child's is closed with this.
    final class Pipe {
        let source: PipeSource
        let token: Reactor.Token
        private let other: Descriptor

        var childEnd: CInt { other.rawValue }

        fileprivate init(
            _ reactor: Reactor, _ scratch: PipeSource.Scratch
        ) throws(SystemCallError) {
            let (source, childEnd) = try PipeSource.make(scratch: scratch)
            other = Descriptor(adopting: childEnd)
            self.source = source
            token = try reactor.add(source)
        }
    }

    /// /dev/null for one run: position, flags and locks of an open file are shared by all who have it.
    final class Nothing {
        private let file: Descriptor

        var descriptor: CInt { file.rawValue }

        init() throws(SystemCallError) {
            file = try .open("/dev/null", O_RDONLY)
        }
    }

    /// Standard output and standard error.
    private static let pipesMax = 2

    private let reactor: Reactor
    private let scratch = PipeSource.Scratch()
    private var pipes: [Pipe] = []
    private var events: MemoryFile?
    private var nothing: Nothing?

    init(_ reactor: Reactor) {
        self.reactor = reactor
    }

    /// Makes what was used up. What cannot be made now is tried by the spawn that needs it, which
    /// tells why it fails.
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

    /// What a check reads.
    func emptyInput() throws(SystemCallError) -> Nothing {
        defer { nothing = nil }
        return if let nothing { nothing } else { try Nothing() }
    }

    /// A `CRD_EVENTS` file, of this run alone.
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
