// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// A run in progress, as the performer sees it: its processes, its pipes and its output.
final class ActiveRun {
    let module: ModuleID
    /// The module as it was when the run began, whatever its files contain by now.
    let prepared: PreparedModule
    let run: Run
    /// `CRD_RUN`: unique, also among other lives of the daemon.
    let id: String
    /// The run's number in the marks of its processes.
    var number: UInt64 { RunMark.number(of: run) }
    /// The cgroup of the run's next process, if the daemon has cgroups to give.
    var cgroup: Cgroup?
    /// The cgroups in which the check's leftovers are being killed.
    var spentCgroups: [Cgroup] = []
    /// The running executable; nil between two executables.
    var process: ChildSource?
    var token: Reactor.Token?
    /// The run's pipes and their registrations.
    var outputs: [(source: PipeSource, token: Reactor.Token)] = []
    /// The check's standard output.
    let captured: CaptureSink
    /// Whether SIGKILL was sent to the whole run, so that processes found later get it too.
    var isCondemned = false
    /// Whether the scheduler waits for `.emptied`.
    var awaitsEmptiness = false

    /// Whether `.emptied` was sent, though the scheduler may not have received it yet.
    private var isEmptinessTold = false

    /// Sends `.emptied` once, however many signs of it there are, and however often the scheduler
    /// asks.
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
