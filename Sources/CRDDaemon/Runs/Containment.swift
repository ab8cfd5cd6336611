// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// Finds every process of a run, also those that left its process group or lost their parents.
protocol Containment: AnyObject {
    /// How the log and `crd list --json` name it.
    var name: String { get }
    /// Whether orphans become children of the daemon, so that SIGCHLD must be listened to.
    var adopts: Bool { get }
    /// Prepares a place for the run's next executable.
    func admit(_ run: ActiveRun) throws(SystemCallError)
    /// Sends SIGTERM or SIGKILL to all of them.
    ///
    /// - Returns: why one of them cannot be killed, if the kernel refused that.
    func send(_ signal: TreeSignal, to run: ActiveRun) -> KillRefusal?
    /// Whether none is left; asked only when the run's executable has been reaped.
    func isEmpty(_ run: ActiveRun) -> Bool
    /// From now on `.emptied` is appended to the events as soon as none is left.
    func awaitEmptiness(of run: ActiveRun)
    /// The run is over. What its response left behind may stay where the module says so.
    func release(_ run: ActiveRun)
    /// All runs are over and the daemon ends: kills what is left that may not stay.
    ///
    /// - Returns: whether nothing is.
    func finish() -> Bool
    /// There is more to do than one turn does, which `reapAdopted` goes on with.
    var hasBacklog: Bool { get }
    /// SIGCHLD came: a child has ended that no pidfd stands for; or there is a backlog.
    func reapAdopted(into events: inout [Event])
}
