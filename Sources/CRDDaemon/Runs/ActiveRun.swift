// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// A run under way, as the shell sees it: what to watch, and what was printed.
final class ActiveRun {
    let module: ModuleID
    /// The module as it was when the run began, whatever its files say by now.
    let prepared: PreparedModule
    let run: Run
    /// `CRD_RUN`: unlike any other, also of other lives of the daemon.
    let id: String
    /// Its number in the marks of its processes.
    var number: UInt64 { RunMark.number(of: run) }
    /// Where the run's next process goes, if the daemon has cgroups to give.
    var cgroup: Cgroup?
    /// Where what the check left behind is being killed.
    var spentCgroups: [Cgroup] = []
    /// The executable under way; nil between its end and the next.
    var process: ChildSource?
    var token: Reactor.Token?
    /// Its pipes, and their registrations.
    var outputs: [(source: PipeSource, token: Reactor.Token)] = []
    /// What the check prints.
    let captured: CaptureSink
    /// Whether SIGKILL was sent to all there was of it, so that what turns up later gets it too.
    var isCondemned = false
    /// Whether `.emptied` is owed.
    var awaitsEmptiness = false

    /// Whether `.emptied` was told, though the scheduler may have it still before it.
    private var isEmptinessTold = false

    /// Tells once that no process of the run is left, however many signs of it there are, and however
    /// often the scheduler asks.
    func tellEmptied(into events: inout [Event]) {
        guard !isEmptinessTold else { return }
        isEmptinessTold = true
        awaitsEmptiness = false
        events.append(.emptied(module))
    }

    init(
        _ run: Run, of module: ModuleID, _ prepared: PreparedModule, id: String, outputMax: Int
    ) {
        self.run = run
        self.module = module
        self.prepared = prepared
        self.id = id
        captured = CaptureSink(limit: outputMax)
    }
}
