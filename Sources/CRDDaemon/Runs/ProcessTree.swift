// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// Executables that we start one after another, and every process that descends from them: what a
/// containment follows.
final class ProcessTree {
    /// `CRD_RUN` in the environment of its processes: unique, also among other lives of the daemon.
    let id: String
    /// Its number in the marks of its processes; see `RunMark`.
    let number: UInt64
    /// Whether a process that is left at its end may stay.
    let mayLeaveSome: Bool
    /// The cgroup of the next process, if the daemon has cgroups to give.
    var cgroup: Cgroup?
    /// The cgroups in which leftovers are being killed.
    var spentCgroups: [Cgroup] = []
    /// The running executable; nil between two executables.
    var process: ChildSource?
    /// Whether SIGKILL was sent to the whole tree, so that processes found later get it too.
    var isCondemned = false
    /// Whether somebody waits for `.emptied`.
    var awaitsEmptiness = false

    /// What a containment finds out about a tree by itself.
    enum Discovery {
        case emptied
        case refused(KillRefusal)
    }

    private let discovered: (Discovery, inout [Event]) -> Void
    /// Whether `.emptied` was reported, though it may not have been received yet.
    private var isEmptinessTold = false

    /// - Parameter discovered: turns what is found out into events.
    init(
        id: String, number: UInt64, mayLeaveSome: Bool,
        discovered: @escaping (Discovery, inout [Event]) -> Void
    ) {
        self.id = id
        self.number = number
        self.mayLeaveSome = mayLeaveSome
        self.discovered = discovered
    }

    /// Reports once that no process is left, however many signs of it there are, and however often
    /// somebody asks.
    func tellEmptied(into events: inout [Event]) {
        guard !isEmptinessTold else { return }
        isEmptinessTold = true
        awaitsEmptiness = false
        discovered(.emptied, &events)
    }

    /// Reports that the kernel refuses to kill one of the processes.
    func tell(_ refusal: KillRefusal, into events: inout [Event]) {
        discovered(.refused(refusal), &events)
    }
}
