// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// What a module prints for people, on its way to the log line by line.
final class LogSink: OutputSink {
    private var splitter = LineSplitter()
    private let forwarder: OutputForwarder
    private let module: String
    /// What came and was not split into lines yet, from `done` on.
    private var rest: [UInt8] = []
    private var done = 0
    private var isEnding = false
    /// Made when there is something to print: most checks are silent.
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
        // A process that outlives its run goes on printing.
        isEnding = false
        let taken = isWaiting ? 0 : pass(bytes)
        guard taken < bytes.count else { return }
        let left = bytes[taken...]
        if forwarder.keep(self, left.count, isNew: !isWaiting) {
            rest.append(contentsOf: left)
        } else {
            forwarder.log.channel.drop(left.count { $0 == UInt8(ascii: "\n") })
        }
    }

    func finish() {
        isEnding = true
        if !isWaiting { end() }
    }

    private func end() {
        splitter.finish(forward)
        forwarder.end(of: module)
    }

    /// Passes on some of what waits.
    ///
    /// - Returns: how many bytes that was.
    func resume() -> Int {
        let taken = pass(rest[done...])
        done += taken
        guard done == rest.count else { return taken }
        (rest, done) = ([], 0)
        if isEnding { end() }
        return taken
    }

    private func pass(_ bytes: some Collection<UInt8>) -> Int {
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
