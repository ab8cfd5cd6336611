// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging
import SystemPackage

/// Gives every tree its own cgroup below the one that was delegated to the daemon.
///
/// A cgroup serves tree after tree: creating one costs more than checking that it is empty.
final class CgroupContainment: Containment {
    let name = "cgroup"
    /// Orphans belong to the service manager.
    let adopts = false
    /// The parent of the trees' cgroups.
    let base: FilePath
    private let reactor: Reactor
    private let logger: Logger
    private var free: [Cgroup] = []
    /// Cgroups with processes that may stay, or that survive SIGKILL.
    private var occupied: [Cgroup] = []
    private var made = 0
    /// The cgroups that are expected to become empty, by path.
    private var awaited: [FilePath: (tree: ProcessTree, token: Reactor.Token)] = [:]
    /// SIGTERM that has not reached every process yet.
    private var sweeps: [(tree: ProcessTree, sweep: CgroupSweep)] = []

    /// Fails if no cgroup is delegated to the daemon, or if it cannot be used, which is logged.
    init?(_ reactor: Reactor, logger: Logger) {
        guard let base = Cgroup.delegated() else { return nil }
        do throws(SystemCallError) {
            try Cgroup.moveIntoLeaf(of: base)
            let probe = try Cgroup(base.appending("\(Cgroup.slotPrefix)probe"), emptied: { _ in })
            probe.remove()
        } catch {
            logger.warning("\(error); processes are tracked through /proc instead")
            return nil
        }
        self.base = base
        self.reactor = reactor
        self.logger = logger
    }

    func admit(_ tree: ProcessTree) throws(SystemCallError) {
        endSweeps(of: tree)
        if let cgroup = tree.cgroup {
            guard cgroup.isSpent else { return }
            tree.spentCgroups.append(cgroup)
            tree.cgroup = nil
        }
        reclaim()
        tree.cgroup = if let cgroup = free.popLast() { cgroup } else { try make() }
    }

    private func make() throws(SystemCallError) -> Cgroup {
        while true {
            let path = base.appending("\(Cgroup.slotPrefix)\(made)")
            made += 1
            do throws(SystemCallError) {
                return try Cgroup(path) { [weak self] events in self?.emptied(path, &events) }
            } catch let error where error.errno == .fileExists {
                continue  // A former daemon's, whose processes are still dying.
            }
        }
    }

    func send(_ signal: TreeSignal, to tree: ProcessTree) -> KillRefusal? {
        // SIGKILL makes SIGTERM pointless.
        endSweeps(of: tree)
        for cgroup in tree.cgroups where (try? cgroup.isPopulated()) != false {
            switch signal {
            case .terminate: sweeps.append((tree, CgroupSweep(of: cgroup)))
            case .kill:
                do throws(SystemCallError) {
                    try cgroup.kill()
                } catch {
                    logger.error("\(error); its processes may live on")
                }
            }
        }
        // A process that may write to cgroup.kill may kill everything in the cgroup.
        return nil
    }

    private func endSweeps(of tree: ProcessTree) { sweeps.removeAll { $0.tree === tree } }

    var hasBacklog: Bool { !sweeps.isEmpty }

    /// Continues the sweeps. There are no adopted children.
    func reapAdopted(into events: inout [Event]) {
        // Each step can take a hundred times as long on a busy machine.
        let end = Clock.now + Self.timeShare
        while let next = sweeps.first {
            sweeps.removeFirst()
            var steps = Self.stepsPerLook
            // Those that have not finished go to the end, so that each of them has its turn.
            if !next.sweep.advance(&steps) { sweeps.append(next) }
            if Clock.now >= end { break }
        }
    }

    /// The time of all sweeps in one turn.
    private static let timeShare = Duration.milliseconds(5)
    /// The steps between two readings of the clock.
    private static let stepsPerLook = 8

    func isEmpty(_ tree: ProcessTree) -> Bool {
        tree.cgroups.allSatisfy { (try? $0.isPopulated()) != true }
    }

    func awaitEmptiness(of tree: ProcessTree) {
        for cgroup in tree.cgroups where awaited[cgroup.path] == nil {
            do throws(SystemCallError) {
                awaited[cgroup.path] = (tree, try reactor.add(cgroup))
            } catch {
                logger.error("\(error); the end of its processes will not be noticed")
            }
        }
    }

    func release(_ tree: ProcessTree) {
        endSweeps(of: tree)
        for cgroup in tree.cgroups {
            if let (_, token) = awaited.removeValue(forKey: cgroup.path) { reactor.remove(token) }
            putAway(cgroup)
        }
        tree.cgroup = nil
        tree.spentCgroups = []
    }

    /// Removes the free cgroups. Leftovers that may stay now belong to the service manager; all
    /// others are known to be gone.
    func endLeftovers() -> Bool {
        reclaim()
        for cgroup in free { cgroup.remove() }
        return true
    }

    private func emptied(_ path: FilePath, _ events: inout [Event]) {
        guard let (tree, token) = awaited.removeValue(forKey: path) else { return }
        reactor.remove(token)
        if isEmpty(tree) { tree.tellEmptied(into: &events) }
    }

    /// Keeps the cgroup for another tree if it is empty and nothing was killed in it.
    private func putAway(_ cgroup: Cgroup) {
        switch try? cgroup.isPopulated() {
        case false where !cgroup.isSpent: free.append(cgroup)
        case false: cgroup.remove()
        default: occupied.append(cgroup)
        }
    }

    /// Reclaims the cgroups that have become empty since their trees ended.
    private func reclaim() {
        guard !occupied.isEmpty else { return }
        let left = occupied
        occupied = []
        for cgroup in left { putAway(cgroup) }
    }
}

extension ProcessTree {
    fileprivate var cgroups: [Cgroup] { (cgroup.map { [$0] } ?? []) + spentCgroups }
}
