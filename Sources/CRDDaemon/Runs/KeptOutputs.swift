// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux

/// The pipes of responses that may leave processes behind (`leftovers = "keep"`). The leftovers'
/// output is logged as the module's until the last process has closed its end.
///
/// A pipe without any writer left costs one turn of the loop.
final class KeptOutputs {
    private struct Output {
        let module: String
        /// Owned by the reactor, which releases it at its end.
        weak var source: PipeSource?
        let token: Reactor.Token
    }

    /// The maximum number of pipes read for one module, and for all modules.
    static let moduleMax = 32
    static let max = 512

    private let reactor: Reactor
    private let reporter: RunReporter
    /// In order of age, oldest first.
    private var outputs: [Output] = []

    init(_ reactor: Reactor, _ reporter: RunReporter) {
        self.reactor = reactor
        self.reporter = reporter
    }

    /// Continues to read the pipes of a response that has ended.
    func keep(_ pipes: [(source: PipeSource, token: Reactor.Token)], of module: String) {
        outputs.removeAll { $0.source == nil }
        for (source, token) in pipes where !source.isFinished {
            source.outlivesChild = true
            outputs.append(Output(module: module, source: source, token: token))
        }
        if outputs.count(where: { $0.module == module }) > Self.moduleMax {
            closeOldest(of: module)
        }
        while outputs.count > Self.max, let busiest { closeOldest(of: busiest) }
    }

    /// Closes both pipes of the oldest response, since one without the other is of little use.
    private func closeOldest(of module: String) {
        for _ in 0..<2 {
            guard let index = outputs.firstIndex(where: { $0.module == module }) else { return }
            reactor.remove(outputs.remove(at: index).token)
        }
        reporter.reportClosedOutput(of: module, limit: Self.moduleMax / 2)
    }

    /// The module with the most pipes.
    private var busiest: String? {
        let counts = Dictionary(grouping: outputs, by: \.module).mapValues(\.count)
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }
}
