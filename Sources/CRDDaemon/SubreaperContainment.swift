// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc

/// Without cgroups: a process that loses its parent becomes a child of the daemon, the subreaper
/// (prctl(2), `PR_SET_CHILD_SUBREAPER`), and is recognized by the mark of its run (`RunMark`).
///
/// What a process says of itself is not believed (G15): its environment, or a limit that it has
/// lowered. The mark as it was set cannot be raised to one that may stay.
///
/// The daemon may have other children: those that its process had before it became crd, and what a
/// container's process 1 inherits. They carry no mark and are never signalled.
final class SubreaperContainment: Containment {
    let name = "subreaper"
    let adopts = true
    /// Runs between `admit` and `release`, by their number as far as a mark holds it.
    private var runs: [UInt64: ActiveRun] = [:]
    private let life: DaemonLife
    /// Our own limit, which a process without a mark has as well; nil: none.
    private let ownLimit = ProcessMark.Limits(of: getpid())?.hard
    /// The latest runs whose response had leave to leave something behind, and did.
    private var keepers: [UInt64] = []
    private let children = ChildList()
    /// Children that no run has started; only we can collect them, so their numbers stay theirs.
    private var strangers = Set<PID>()
    /// Whether the last look found a process of a run that is not its executable.
    private var hasAdopted = false

    private let helpers: HelperProcess.Roll

    init(_ life: DaemonLife, helpers: HelperProcess.Roll) throws(SystemCallError) {
        self.life = life
        self.helpers = helpers
        try ChildProcess.adoptOrphans()
        strangers = Set(children.read().filter { !helpers.contains($0) })
    }

    func admit(_ run: ActiveRun) {
        runs[run.number] = run
        run.isCondemned = false
    }

    func send(_ signal: TreeSignal, to run: ActiveRun) -> KillRefusal? {
        switch signal {
        case .terminate:
            signalAll(with: ProcessTable.terminate) { self.roots(of: run) }
            return nil
        case .kill:
            run.isCondemned = true
            return killAll { self.roots(of: run) }
        }
    }

    func isEmpty(_ run: ActiveRun) -> Bool {
        let look = look()
        return look.isSettled && run.process == nil && look.pids(of: .run(run.number)).isEmpty
    }

    func awaitEmptiness(of run: ActiveRun) {}

    func release(_ run: ActiveRun) {
        if run.prepared.installed.manifest.leftovers == .keep, !roots(of: run).isEmpty {
            if keepers.count == Self.keepersMax { keepers.removeFirst() }
            keepers.append(run.number)
        }
        runs[run.number] = nil
        // The look at whether the run was empty has shown whether there is anybody.
        if hasAdopted { killStragglers() }
    }

    func finish() -> Bool {
        // What forks without end is caught by who is faster, so without a pause.
        for _ in 0..<Self.finalLooksMax {
            let look = look()
            let left = look.adopted.filter { $0.owner.isToEnd }.map(\.pid)
            if left.isEmpty && look.isSettled { return true }
            for process in ProcessTable.currentTree(below: left) {
                ProcessTable.send(SIGKILL, to: process)
            }
        }
        return false
    }

    func reapAdopted(into events: inout [Event]) {
        if look().adopted.contains(where: { $0.owner.isToEnd }) {
            // Who was born while its parents were being killed turns up when they are dead.
            for run in runs.values where run.isCondemned { killAll { self.roots(of: run) } }
            killStragglers()
        }
        for run in runs.values.filter(\.awaitsEmptiness).sorted(by: { $0.id < $1.id })
        where isEmpty(run) {
            run.tellEmptied(into: &events)
        }
    }

    // MARK: Whose is it?

    private enum Owner: Equatable {
        /// A run under way, by its number.
        case run(UInt64)
        /// A response that had leave to leave it behind.
        case kept
        /// A run that is over.
        case formerRun
        case stranger

        var isToEnd: Bool {
            switch self {
            case .run, .formerRun: true
            case .kept, .stranger: false
            }
        }
    }

    /// Our living children apart from the runs' executables.
    private struct Look {
        var adopted: [(pid: PID, owner: Owner)] = []
        /// Nobody died while we looked, who might have left a child that we did not see.
        var isSettled = true

        func pids(of owner: Owner) -> [PID] {
            adopted.filter { $0.owner == owner }.map(\.pid)
        }
    }

    /// Looks until the picture is whole, and collects the dead.
    private func look() -> Look {
        var look = Look()
        for _ in 0..<Self.looksMax {
            look = Look()
            let executables = runs.values.compactMap { $0.process?.pid }
            for pid in children.read() where !executables.contains(pid) && !helpers.contains(pid) {
                if ProcessTable.reap(pid) {
                    strangers.remove(pid)
                    look.isSettled = false
                    continue
                }
                guard let owner = owner(of: pid) else {
                    look.isSettled = false
                    continue
                }
                look.adopted.append((pid, owner))
            }
            if look.isSettled { break }
        }
        hasAdopted = look.adopted.contains { $0.owner.isToEnd } || !look.isSettled
        return look
    }

    /// The run's executable, if it runs, and those of its descendants that we adopted.
    private func roots(of run: ActiveRun) -> [PID] {
        look().pids(of: .run(run.number)) + (run.process.map { [$0.pid] } ?? [])
    }

    /// Nil for one that has died meanwhile.
    private func owner(of pid: PID) -> Owner? {
        if strangers.contains(pid) { return .stranger }
        guard let limits = ProcessMark.Limits(of: pid) else { return nil }
        if let mark = RunMark(limits.hard, life: life.mark) {
            if runs[mark.run] != nil { return .run(mark.run) }
            return mark.mayStay ? .kept : .formerRun
        }
        // Only a run's process has one, and it has given itself a lower one.
        if let limit = limits.hard, limit < ownLimit ?? .max { return .formerRun }
        // Where our own limit forbids a mark, or root has raised it. What may stay we have noted.
        let names = ["CRD_RUN"]
        let id = ProcessTable.environment(of: pid, names)?["CRD_RUN"]
        let claimed = id.flatMap { id in runs.values.first { $0.id == id }?.number }
        if let run = claimed ?? RunMark(limits.soft, life: life.mark)?.run {
            if runs[run] != nil { return .run(run) }
            return keepers.contains(run) ? .kept : .formerRun
        }
        if let id, id.hasPrefix(life.runPrefix) {
            let run = UInt64(id.dropFirst(life.runPrefix.count))
            return run.map(keepers.contains) == true ? .kept : .formerRun
        }
        guard let entry = ProcessTable.entry(pid), !entry.isZombie else { return nil }
        strangers.insert(pid)
        return .stranger
    }

    private func killStragglers() {
        killAll { self.look().pids(of: .formerRun) }
    }

    /// SIGKILL to all of them.
    ///
    /// - Returns: why one of them cannot be killed, if the kernel refused that.
    @discardableResult
    private func killAll(below roots: () -> [PID]) -> KillRefusal? {
        var refused: ProcessTable.Entry?
        signalAll(
            with: {
                if !ProcessTable.send(SIGKILL, to: $0) { refused = refused ?? $0 }
            }, below: roots)
        return refused.map(KillRefusal.init)
    }

    /// Signals each of them once, until a look finds nobody new: a process may fork between the look
    /// and the signal, and the kernel's list of children lacks some where one of them ends meanwhile
    /// (`/proc/PID/task/TID/children`, proc(5)).
    private func signalAll(with signal: (ProcessTable.Entry) -> Void, below roots: () -> [PID]) {
        var signalled = Set<ProcessTable.Entry>()
        for _ in 0..<Self.roundsMax {
            let found = Set(ProcessTable.currentTree(below: roots())).subtracting(signalled)
            if found.isEmpty { break }
            found.forEach(signal)
            signalled.formUnion(found)
        }
    }

    /// A tree that grows faster than it is killed gets another try with its next SIGCHLD.
    private static let roundsMax = 16
    private static let looksMax = 16
    /// Beyond that, what the oldest left is ended, if it has no mark.
    private static let keepersMax = 1_024
    /// At the end there is no next time.
    private static let finalLooksMax = 5_000
}
