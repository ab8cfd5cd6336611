// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux

/// The pipes of responses that may leave processes behind (`leftovers = "keep"`): what these print is
/// logged as the module's until the last of them has closed its end.
///
/// A pipe that nobody can write into any more costs one turn of the loop.
final class KeptOutputs {
    private struct Output {
        let module: String
        /// Owned by the reactor, which lets go of it at its end.
        weak var source: PipeSource?
        let token: Reactor.Token
    }

    /// How many pipes are read for one module, and for all.
    static let moduleMax = 32
    static let max = 512

    private let reactor: Reactor
    private let reporter: RunReporter
    /// The oldest first.
    private var outputs: [Output] = []

    init(_ reactor: Reactor, _ reporter: RunReporter) {
        self.reactor = reactor
        self.reporter = reporter
    }

    /// A response has ended; its pipes are read on.
    func take(_ pipes: [(source: PipeSource, token: Reactor.Token)], of module: String) {
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

    /// Both pipes of a response, since one without the other is of little use.
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
