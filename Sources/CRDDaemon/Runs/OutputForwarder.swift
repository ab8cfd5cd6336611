// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import DequeModule

/// Spreads the modules' log output over the turns of the loop. A line costs a system call, and a
/// pipe can hold sixty thousand empty lines.
final class OutputForwarder {
    /// Lines per turn, of all modules.
    private static let linesMax = 512
    /// Lines of one output before another's turn.
    private static let share = 64
    /// Pending bytes of all outputs together; lines beyond that are dropped and counted.
    private static let sizeMax = 4 << 20

    let log: LogOutput
    private let reporter: RunReporter
    private var allowance = linesMax
    /// Outputs with pending lines, each of them once.
    private var waiting = Deque<LogSink>()
    private var size = 0
    /// Log allowances by module.
    private var allowances: [String: LogAllowance] = [:]

    init(_ log: LogOutput, _ reporter: RunReporter) {
        self.log = log
        self.reporter = reporter
    }

    /// Whether outputs should not be read for the moment.
    var isHolding: Bool { log.channel.isHolding }

    /// Whether pending lines can be passed on now.
    var hasBacklog: Bool { !waiting.isEmpty && !isHolding }

    /// Begins a turn of the loop.
    func beginTurn() {
        allowance = Self.linesMax
        guard !isHolding else { return }
        while allowance > 0, let output = waiting.popFirst() { resume(output) }
    }

    /// How many lines one output may pass on now.
    var share: Int { min(Self.share, allowance) }

    func spend(_ lines: Int) { allowance -= lines }

    /// Passes on a line, unless its module has exceeded its share of the log.
    func forward(_ line: [UInt8], from module: String, _ fields: [LogOutput.Field]) {
        switch allowances[module, default: LogAllowance()].admit(line.count, at: Clock.now) {
        case .pass(let missing):
            reporter.reportMissingLines(missing, of: module)
            log.forward(line, from: module, fields)
        case .drop(isFirst: true): reporter.reportSpentShare(of: module)
        case .drop: break
        }
    }

    /// Returns whether the module has spent its share of the log, so that its lines need not even
    /// be separated: printing costs it less than that would cost us.
    func dropsAll(of module: String) -> Bool {
        allowances[module]?.dropsAll(at: Clock.now) == true
    }

    func drop(_ lines: Int, of module: String) { allowances[module]?.drop(lines) }

    /// Reports dropped lines when an output ends, since the module's next output may be a long time
    /// coming.
    func end(of module: String) {
        let missing = allowances[module]?.passDropped(at: Clock.now) ?? 0
        reporter.reportMissingLines(missing, of: module)
    }

    func forget(_ module: String) { allowances[module] = nil }

    /// Queues an output with pending lines.
    ///
    /// - Returns: whether there is room for that many more bytes.
    func keep(_ output: LogSink, _ bytes: Int, isNew: Bool) -> Bool {
        guard size + bytes <= Self.sizeMax else { return false }
        size += bytes
        if isNew { waiting.append(output) }
        return true
    }

    /// Passes on all pending lines, since the daemon stops.
    func flush() {
        allowance = .max
        while let output = waiting.popFirst() { resume(output) }
    }

    private func resume(_ output: LogSink) {
        size -= output.resume()
        if output.isWaiting { waiting.append(output) }
    }
}
