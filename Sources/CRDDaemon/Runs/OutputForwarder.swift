// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import DequeModule

/// Spreads what modules print for people over the turns of the loop: a line costs a system call, and
/// a pipe holds sixty thousand empty ones.
final class OutputForwarder {
    /// Lines in a turn, of all modules.
    private static let linesMax = 512
    /// Lines of one output, before it is another's turn.
    private static let share = 64
    /// Bytes that wait in all outputs together; lines beyond are dropped and counted.
    private static let sizeMax = 4 << 20

    let log: LogOutput
    private var allowance = linesMax
    /// Outputs with lines that wait, each of them once.
    private var waiting = Deque<LogSink>()
    private var size = 0
    /// By module.
    private var allowances: [String: LogAllowance] = [:]

    init(_ log: LogOutput) {
        self.log = log
    }

    /// Outputs had better get nothing more for the moment.
    var isHolding: Bool { log.channel.isHolding }

    /// Something is to be done at once.
    var hasBacklog: Bool { !waiting.isEmpty && !isHolding }

    /// A turn of the loop begins.
    func beginTurn() {
        allowance = Self.linesMax
        guard !isHolding else { return }
        while allowance > 0, let output = waiting.popFirst() { resume(output) }
    }

    /// How many lines may be passed on now.
    var share: Int { min(Self.share, allowance) }

    func spend(_ lines: Int) { allowance -= lines }

    /// Passes on a line, unless its module has printed more than its share.
    func forward(_ line: [UInt8], from module: String, _ fields: [LogOutput.Field]) {
        switch allowances[module, default: LogAllowance()].admit(line.count, at: Clock.now) {
        case .pass(let missing):
            report(missing, of: module)
            log.forward(line, from: module, fields)
        case .drop(isFirst: true):
            log.write(
                "\(module): has printed more than its share of the log (\(ByteSize(LogAllowance.burst)) at once, \(ByteSize(LogAllowance.rate)) a second from then on); its lines are dropped until there is room again: print less",
                .warning, [.init("CRD_MODULE", module)])
        case .drop: break
        }
    }

    /// An output has ended, and the module's next may be long in coming.
    func end(of module: String) {
        report(allowances[module]?.passDropped(at: Clock.now) ?? 0, of: module)
    }

    func forget(_ module: String) { allowances[module] = nil }

    private func report(_ missing: Int, of module: String) {
        guard missing > 0 else { return }
        log.write(
            "\(module): dropped \(missing) line\(missing == 1 ? "" : "s") of its output",
            .warning, [.init("CRD_MODULE", module)])
    }

    /// Keeps an output whose lines wait.
    ///
    /// - Returns: whether there is room for so many bytes more.
    func keep(_ output: LogSink, _ bytes: Int, isNew: Bool) -> Bool {
        guard size + bytes <= Self.sizeMax else { return false }
        size += bytes
        if isNew { waiting.append(output) }
        return true
    }

    /// The daemon ends: passes on all there is.
    func finish() {
        allowance = .max
        while let output = waiting.popFirst() { resume(output) }
    }

    private func resume(_ output: LogSink) {
        size -= output.resume()
        if output.isWaiting { waiting.append(output) }
    }
}
