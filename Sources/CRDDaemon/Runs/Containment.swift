// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// Finds every process of a tree, also those that left its process group or lost their parents.
protocol Containment: AnyObject {
    /// Its name in the log and in `crd list --json`.
    var name: String { get }
    /// Whether orphans become children of the daemon, so that it needs SIGCHLD.
    var adopts: Bool { get }
    /// Prepares a place for the tree's next executable.
    func admit(_ tree: ProcessTree) throws(SystemCallError)
    /// Sends SIGTERM or SIGKILL to all processes of the tree.
    ///
    /// - Returns: why one of them cannot be killed, if the kernel refused it.
    func send(_ signal: TreeSignal, to tree: ProcessTree) -> KillRefusal?
    /// Returns whether the tree has no process left; call it only after its executable was reaped.
    func isEmpty(_ tree: ProcessTree) -> Bool
    /// Has the tree report `.emptied` as soon as it has no process left.
    func awaitEmptiness(of tree: ProcessTree)
    /// Ends the tree. What is left may stay if the tree allows it.
    func release(_ tree: ProcessTree)
    /// Kills all leftovers that may not stay, after all runs have ended and while the daemon stops.
    ///
    /// - Returns: whether none of them is left.
    func endLeftovers() -> Bool
    /// Whether more work is pending than one turn does; `reapAdopted` continues it.
    var hasBacklog: Bool { get }
    /// Collects adopted children: after SIGCHLD, for a child that has no pidfd, or while there is a
    /// backlog.
    func reapAdopted(into events: inout [Event])
}
