// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging
import SystemPackage

/// Every run in a cgroup of its own below the one that was delegated to the daemon.
///
/// A directory serves run after run: making one costs more than looking whether it is empty.
final class CgroupContainment: Containment {
    let name = "cgroup"
    /// Orphans are the service manager's.
    let adopts = false
    private let base: FilePath
    private let reactor: Reactor
    private let logger: Logger
    private var free: [Cgroup] = []
    /// Where something was left that may stay, or that the kernel does not let go of.
    private var occupied: [Cgroup] = []
    private var made = 0
    /// Runs whose end is awaited, by the path of their cgroup.
    private var awaited: [FilePath: (run: ActiveRun, token: Reactor.Token)] = [:]

    /// Nil where no cgroup is delegated to the daemon, or it cannot be used; the log says why.
    init?(_ reactor: Reactor, logger: Logger) {
        guard let base = Cgroup.delegated() else { return nil }
        do throws(SystemCallError) {
            try Cgroup.moveIntoLeaf(of: base)
            let first = try Cgroup(base.appending("\(Cgroup.slotPrefix)0"), emptied: { _ in })
            first.remove()
        } catch {
            logger.warning("\(error); processes are followed through /proc instead")
            return nil
        }
        self.base = base
        self.reactor = reactor
        self.logger = logger
    }

    func admit(_ run: ActiveRun) throws(SystemCallError) {
        reclaim()
        if let cgroup = free.popLast() {
            run.cgroup = cgroup
            return
        }
        let path = base.appending("\(Cgroup.slotPrefix)\(made)")
        run.cgroup = try Cgroup(path) { [weak self] events in self?.emptied(path, &events) }
        made += 1
    }

    func send(_ signal: TreeSignal, to run: ActiveRun) {
        guard let cgroup = run.cgroup, (try? cgroup.isPopulated()) != false else { return }
        switch signal {
        case .terminate: cgroup.send(SIGTERM)
        case .kill:
            do throws(SystemCallError) {
                try cgroup.kill()
            } catch {
                logger.error("\(error); its processes are killed one by one")
                cgroup.send(SIGKILL)
            }
        }
    }

    func isEmpty(_ run: ActiveRun) -> Bool {
        guard let cgroup = run.cgroup else { return true }
        return (try? cgroup.isPopulated()) != true
    }

    func awaitEmptiness(of run: ActiveRun) {
        guard let cgroup = run.cgroup, awaited[cgroup.path] == nil else { return }
        do throws(SystemCallError) {
            awaited[cgroup.path] = (run, try reactor.add(cgroup))
        } catch {
            logger.error("\(error); the end of its processes will not be noticed")
        }
    }

    func release(_ run: ActiveRun) {
        guard let cgroup = run.cgroup else { return }
        run.cgroup = nil
        if let (_, token) = awaited.removeValue(forKey: cgroup.path) { reactor.remove(token) }
        if (try? cgroup.isPopulated()) == false {
            free.append(cgroup)
        } else {
            occupied.append(cgroup)
        }
    }

    func reapAdopted(into events: inout [Event]) {}

    private func emptied(_ path: FilePath, _ events: inout [Event]) {
        guard let (run, token) = awaited.removeValue(forKey: path) else { return }
        reactor.remove(token)
        events.append(.emptied(run.module))
    }

    /// Takes back what has emptied since it was left.
    private func reclaim() {
        guard !occupied.isEmpty else { return }
        for cgroup in occupied where (try? cgroup.isPopulated()) == false { free.append(cgroup) }
        let reclaimed = Set(free.map(\.path))
        occupied.removeAll { reclaimed.contains($0.path) }
    }
}
