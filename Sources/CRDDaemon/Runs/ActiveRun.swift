// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules

/// A run in progress, as the performer sees it: its processes, its pipes and its output.
final class ActiveRun {
    let module: ModuleID
    /// The module as it was when the run began, whatever its files contain by now.
    let prepared: PreparedModule
    let run: Run
    /// The processes of its roles.
    let tree: ProcessTree
    /// The registration of the tree's executable.
    var token: Reactor.Token?
    /// The run's pipes and their registrations.
    var outputs: [(source: PipeSource, token: Reactor.Token)] = []
    /// The relay of these outputs, if their role runs as another user.
    var channel: OutputRelays.Channel?
    /// The check's standard output.
    let captured: CaptureSink

    /// - Parameter id: `CRD_RUN`.
    init(
        _ run: Run, of module: ModuleID, _ prepared: PreparedModule, id: String, outputMax: Int
    ) {
        self.run = run
        self.module = module
        self.prepared = prepared
        tree = ProcessTree(
            id: id, number: RunMark.number(of: run),
            mayLeaveSome: prepared.installed.manifest.leftovers == .keep
        ) { discovery, events in
            switch discovery {
            case .emptied: events.append(.emptied(module))
            case .refused(let refusal): events.append(.refused(module, reason: "\(refusal)"))
            }
        }
        captured = CaptureSink(limit: outputMax)
    }
}
