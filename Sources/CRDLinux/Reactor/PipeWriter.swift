// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc
import SystemPackage

/// Our end of a pipe that we write into, with what its reader has no room for yet.
///
/// SIGPIPE must be ignored.
public final class PipeWriter: OutputSink, EventSource {
    private let pipe: SharedDescriptor
    private var pending: ArraySlice<UInt8> = []
    /// The reader has closed its end.
    public private(set) var isFinished = false

    /// Takes an end, which becomes non-blocking (fcntl(2)).
    public init(_ pipe: SharedDescriptor) throws(SystemCallError) {
        self.pipe = pipe
        try systemCall("fcntl") { fcntl(pipe.rawValue, F_SETFL, O_NONBLOCK) }
    }

    public var descriptor: CInt { pipe.rawValue }
    /// Without any, the kernel still reports a reader that closes its end (pipe(7), `EPOLLERR`).
    public var interest: Interest { isFull ? .writable : [] }
    public var isFull: Bool { !pending.isEmpty }

    public func receive(_ bytes: UnsafeRawBufferPointer) {
        pending += bytes
        write()
    }

    public func outputHasEnded() {}

    public func drain(into events: inout [Event]) {
        write()
        var request = pollfd(fd: pipe.rawValue, events: 0, revents: 0)
        // An error is reported for a reader that has closed its end, and for nothing else.
        if poll(&request, 1, 0) > 0 { lose() }
    }

    /// Writes as much as the reader has room for (write(2)).
    private func write() {
        while isFull, !isFinished {
            let count = pending.withUnsafeBytes {
                Glibc.write(pipe.rawValue, $0.baseAddress, $0.count)
            }
            if count >= 0 {
                pending.removeFirst(count)
                continue
            }
            switch Errno(rawValue: errno) {
            case .interrupted: continue
            case .wouldBlock: return
            default: lose()
            }
        }
    }

    private func lose() {
        isFinished = true
        pending = []
    }
}
