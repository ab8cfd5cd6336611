// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// Passes a module's log output to the log, line by line.
final class LogSink: OutputSink {
    private var splitter = LineSplitter()
    private let forwarder: OutputForwarder
    private let module: String
    /// Bytes that are not split into lines yet, from `done` on.
    private var rest: [UInt8] = []
    private var done = 0
    private var isEnding = false
    /// Created only when there is a line to log: most checks are silent.
    private lazy var fields = makeFields()
    private let makeFields: () -> [LogOutput.Field]

    init(
        _ forwarder: OutputForwarder, module: String, fields: @escaping () -> [LogOutput.Field]
    ) {
        self.forwarder = forwarder
        self.module = module
        makeFields = fields
    }

    var isWaiting: Bool { !rest.isEmpty }
    var isFull: Bool { isWaiting || forwarder.isHolding }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        // A process that outlives its run may continue to print.
        isEnding = false
        let taken = isWaiting ? 0 : pass(bytes)
        guard taken < bytes.count else { return }
        let left = UnsafeRawBufferPointer(rebasing: bytes[taken...])
        if forwarder.keep(self, left.count, isNew: !isWaiting) {
            rest.append(contentsOf: left)
        } else {
            forwarder.log.channel.drop(left.count { $0 == UInt8(ascii: "\n") })
        }
    }

    func outputHasEnded() {
        isEnding = true
        if !isWaiting { end() }
    }

    private func end() {
        splitter.flush(forward)
        forwarder.end(of: module)
    }

    /// Passes on some of the pending bytes.
    ///
    /// - Returns: the number of bytes passed on.
    func resume() -> Int {
        let taken = rest.withUnsafeBytes { pass(UnsafeRawBufferPointer(rebasing: $0[done...])) }
        done += taken
        guard done == rest.count else { return taken }
        (rest, done) = ([], 0)
        if isEnding { end() }
        return taken
    }

    private func pass(_ bytes: UnsafeRawBufferPointer) -> Int {
        if forwarder.dropsAll(of: module) {
            forwarder.drop(splitter.skip(bytes), of: module)
            return bytes.count
        }
        var lines = 0
        let taken = splitter.feed(bytes, atMost: forwarder.share) {
            lines += 1
            forward($0)
        }
        forwarder.spend(lines)
        return taken
    }

    private func forward(_ line: [UInt8]) {
        forwarder.forward(line, from: module, fields)
    }
}
