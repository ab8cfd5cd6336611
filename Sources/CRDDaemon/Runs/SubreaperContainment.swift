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
    /// Where children that were looked at come from; only we can collect them, so their numbers stay
    /// theirs.
    private var origins: [PID: Origin] = [:]
    /// Signals that have not reached everybody yet.
    private var sweeps: [Sweep] = []
    /// The last look has left children for the next.
    private var isLookCut = false
    /// Whether the last look found a process of a run that is not its executable.
    private var hasAdopted = false

    private let helpers: HelperProcess.Roll

    init(_ life: DaemonLife, helpers: HelperProcess.Roll) throws(SystemCallError) {
        self.life = life
        self.helpers = helpers
        try ChildProcess.adoptOrphans()
        for pid in children.read() where !helpers.contains(pid) { origins[pid] = .stranger }
    }

    func admit(_ run: ActiveRun) {
        endSweeps(through: run)
        runs[run.number] = run
        run.isCondemned = false
    }

    func send(_ signal: TreeSignal, to run: ActiveRun) -> KillRefusal? {
        if signal == .kill { run.isCondemned = true }
        return begin(Sweep(signal, through: run))
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
        endSweeps(through: run)
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

    var hasBacklog: Bool { !sweeps.isEmpty || isLookCut }

    func reapAdopted(into events: inout [Event]) {
        for sweep in sweeps where goOn(sweep) {
            sweeps.removeAll { $0 === sweep }
            guard let run = sweep.run, let refused = sweep.refused else { continue }
            events.append(.refused(run.module, reason: "\(KillRefusal(refused))"))
        }
        if look().adopted.contains(where: { $0.owner.isToEnd }) {
            // Who was born while its parents were being killed turns up when they are dead.
            for run in runs.values where run.isCondemned { kill(run) }
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

    /// What a child is for good, whatever it changes about itself later.
    private enum Origin {
        case marked(RunMark)
        /// It has lost its mark, and says of what run it is, or does not.
        case unmarked(UInt64?)
        case stranger
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

    /// Looks until the picture is whole, and collects the dead: so many that it takes some
    /// milliseconds, the others in the next turn.
    private func look() -> Look {
        var look = Look()
        var share = Self.share
        for _ in 0..<Self.looksMax {
            look = Look()
            let executables = runs.values.compactMap { $0.process?.pid }
            for pid in children.read() where !executables.contains(pid) && !helpers.contains(pid) {
                guard share > 0 else {
                    look.isSettled = false
                    break
                }
                if ProcessTable.reap(pid) {
                    share -= 1
                    origins[pid] = nil
                    look.isSettled = false
                    continue
                }
                if origins[pid] == nil {
                    share -= 1
                    origins[pid] = origin(of: pid)
                }
                guard let origin = origins[pid] else {
                    look.isSettled = false
                    continue
                }
                look.adopted.append((pid, owner(of: origin)))
            }
            if look.isSettled || share == 0 { break }
        }
        isLookCut = share == 0
        hasAdopted = look.adopted.contains { $0.owner.isToEnd } || !look.isSettled
        return look
    }

    /// The run's executable, if it runs, and those of its descendants that we adopted.
    private func roots(of run: ActiveRun) -> [PID] {
        look().pids(of: .run(run.number)) + (run.process.map { [$0.pid] } ?? [])
    }

    private func owner(of origin: Origin) -> Owner {
        switch origin {
        case .stranger: .stranger
        case .marked(let mark):
            runs[mark.run] != nil ? .run(mark.run) : mark.mayStay ? .kept : .formerRun
        case .unmarked(let run?):
            runs[run] != nil ? .run(run) : keepers.contains(run) ? .kept : .formerRun
        case .unmarked(nil): .formerRun
        }
    }

    /// Nil for one that has died meanwhile.
    private func origin(of pid: PID) -> Origin? {
        guard let limits = ProcessMark.Limits(of: pid) else { return nil }
        if let mark = RunMark(limits.hard, life: life.mark) {
            return .marked(mark)
        }
        // Only a run's process has one, and it has given itself a lower one.
        if let limit = limits.hard, limit < ownLimit ?? .max { return .unmarked(nil) }
        // Where our own limit forbids a mark, or root has raised it. What may stay we have noted.
        let names = ["CRD_RUN"]
        let id = ProcessTable.environment(of: pid, names)?["CRD_RUN"]
        let claimed = id.flatMap { id in runs.values.first { $0.id == id }?.number }
        if let run = claimed ?? RunMark(limits.soft, life: life.mark)?.run {
            return .unmarked(run)
        }
        if let id, id.hasPrefix(life.runPrefix) {
            return .unmarked(UInt64(id.dropFirst(life.runPrefix.count)))
        }
        guard let entry = ProcessTable.entry(pid), !entry.isZombie else { return nil }
        return .stranger
    }

    // MARK: Signals

    /// A signal on its way to every process of a run, or of those that are over, which may be
    /// thousands.
    private final class Sweep {
        let signal: TreeSignal
        /// Nil: those that are over.
        let run: ActiveRun?
        var round = 0
        /// Those of this round, and which of them are to be looked at still.
        var known: Set<PID> = []
        var waiting: [(pid: PID, seenAt: UInt64)] = []
        var hasMetAnybody = false
        /// Who has got the signal.
        var met: Set<ProcessTable.Entry> = []
        var refused: ProcessTable.Entry?

        init(_ signal: TreeSignal, through run: ActiveRun?) {
            self.signal = signal
            self.run = run
        }

        func add(_ pids: [PID]) {
            let now = ProcessTable.clockTicks
            for pid in pids where known.insert(pid).inserted { waiting.append((pid, now)) }
        }
    }

    /// What comes next of the run is none of their business.
    private func endSweeps(through run: ActiveRun) { sweeps.removeAll { $0.run === run } }

    private func kill(_ run: ActiveRun) {
        if !sweeps.contains(where: { $0.run === run && $0.signal == .kill }) {
            _ = begin(Sweep(.kill, through: run))
        }
    }

    private func killStragglers() {
        if !sweeps.contains(where: { $0.run == nil }) { _ = begin(Sweep(.kill, through: nil)) }
    }

    /// - Returns: why one of those that had their turn at once cannot be killed, if the kernel refused
    ///   that.
    private func begin(_ sweep: Sweep) -> KillRefusal? {
        if !goOn(sweep) { sweeps.append(sweep) }
        defer { sweep.refused = nil }
        return sweep.refused.map(KillRefusal.init)
    }

    /// Signals some, each of them once, until a round finds nobody new: a process may fork between the
    /// look and the signal, and the kernel's list of children lacks some where one of them ends meanwhile
    /// (`/proc/PID/task/TID/children`, proc(5)).
    ///
    /// - Returns: whether everybody has got it.
    private func goOn(_ sweep: Sweep) -> Bool {
        var share = Self.share
        while share > 0 {
            guard let (pid, seenAt) = sweep.waiting.popLast() else {
                let isLast = sweep.round > 0 && !sweep.hasMetAnybody
                if isLast || sweep.round == Self.roundsMax { return true }
                beginRound(sweep)
                if !sweep.waiting.isEmpty { continue }
                return !isLookCut
            }
            share -= 1
            // One that began later has the number of one that is gone, and may be anybody's.
            guard let process = ProcessTable.entry(pid), process.startTime <= seenAt else {
                continue
            }
            sweep.add(ProcessTable.children(of: pid))
            guard !process.isZombie, sweep.met.insert(process).inserted else { continue }
            sweep.hasMetAnybody = true
            switch sweep.signal {
            case .terminate: ProcessTable.terminate(process)
            case .kill:
                if !ProcessTable.send(SIGKILL, to: process) {
                    sweep.refused = sweep.refused ?? process
                }
            }
        }
        return false
    }

    private func beginRound(_ sweep: Sweep) {
        let roots = sweep.run.map(roots) ?? look().pids(of: .formerRun)
        // One that has not seen all of them does not count.
        if !isLookCut { sweep.round += 1 }
        sweep.hasMetAnybody = false
        sweep.known = []
        sweep.add(
            ProcessTable.hasChildLists ? roots : ProcessTable().tree(below: roots).map(\.pid))
    }

    /// What one turn does: some milliseconds. Of children collected or looked at, or of signals sent.
    private static let share = 128
    /// A tree that grows faster than it is killed gets another try with its next SIGCHLD.
    private static let roundsMax = 16
    private static let looksMax = 16
    /// Beyond that, what the oldest left is ended, if it has no mark.
    private static let keepersMax = 1_024
    /// At the end there is no next time.
    private static let finalLooksMax = 5_000
}
