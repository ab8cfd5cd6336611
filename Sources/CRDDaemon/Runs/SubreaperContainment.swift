// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc

/// Follows processes without cgroups. A process that loses its parent becomes a child of the
/// daemon, the subreaper (prctl(2), `PR_SET_CHILD_SUBREAPER`). It is recognized by the mark of its
/// tree (`RunMark`).
///
/// A process's own claims are not trusted (G15): neither its environment nor a limit that it has
/// lowered. A process cannot raise its mark to one that may stay.
///
/// The daemon may have other children: those that its process had before it executed crd, and those
/// that process 1 of a container inherits. They carry no mark and are never signalled.
final class SubreaperContainment: Containment {
    let name = "subreaper"
    let adopts = true
    /// Trees between `admit` and `release`, by the part of their number that a mark holds.
    private var trees: [UInt64: ProcessTree] = [:]
    private let life: DaemonLife
    /// Our own hard limit, which a process without a mark has as well; nil: none.
    private let ownLimit = ProcessMark.Limits(of: getpid())?.hard
    /// The latest trees that left processes behind that may stay.
    private var keepers: [UInt64] = []
    private let children = ChildList()
    /// The origins of the children examined so far. Only we can reap them, so their PIDs are not
    /// reused.
    private var origins: [PID: Origin] = [:]
    /// Signals that have not reached every process yet.
    private var sweeps: [Sweep] = []
    /// Whether the last look left children for the next one.
    private var isLookCut = false
    /// Whether the last look was not repeated, though a child died meanwhile.
    private var isLookUnsettled = false
    /// Whether the last look found a process of a tree that is not its executable.
    private var hasAdopted = false

    private let helpers: HelperProcess.Roll

    init(_ life: DaemonLife, helpers: HelperProcess.Roll) throws(SystemCallError) {
        self.life = life
        self.helpers = helpers
        try ChildProcess.adoptOrphans()
        for pid in children.read() where !helpers.contains(pid) { origins[pid] = .stranger }
    }

    func admit(_ tree: ProcessTree) {
        endSweeps(through: tree)
        trees[tree.number] = tree
        tree.isCondemned = false
    }

    func send(_ signal: TreeSignal, to tree: ProcessTree) -> KillRefusal? {
        if signal == .kill { tree.isCondemned = true }
        return begin(Sweep(signal, through: tree))
    }

    func isEmpty(_ tree: ProcessTree) -> Bool {
        let look = listChildren()
        let owner = Owner.tree(tree.number)
        return look.isSettled(for: owner) && tree.process == nil && look.pids(of: owner).isEmpty
    }

    func awaitEmptiness(of tree: ProcessTree) {}

    func release(_ tree: ProcessTree) {
        if tree.mayLeaveSome, !roots(of: tree).isEmpty {
            if keepers.count == Self.keepersMax { keepers.removeFirst() }
            keepers.append(tree.number)
        }
        trees[tree.number] = nil
        endSweeps(through: tree)
        // The look that found the tree empty has also shown whether adopted processes are left.
        if hasAdopted { kill(nil) }
    }

    func endLeftovers() -> Bool {
        // Only speed catches a process that forks endlessly, so there is no pause.
        for _ in 0..<Self.finalLooksMax {
            let look = listChildren()
            let left = look.adopted.filter { $0.owner.isToEnd }.map(\.pid)
            if left.isEmpty && look.isSettled { return true }
            for process in ProcessTable.currentTree(below: left) {
                ProcessTable.send(SIGKILL, to: process)
            }
        }
        return false
    }

    var hasBacklog: Bool { !sweeps.isEmpty || isLookCut || isLookUnsettled }

    func reapAdopted(into events: inout [Event]) {
        // All sweeps share the turn. A signal can take a hundred times as long on a busy machine.
        let end = Clock.now + Self.timeShare
        repeat {
            guard let sweep = sweeps.first else { break }
            sweeps.removeFirst()
            var share = Self.signalsPerLook
            guard goOn(sweep, &share) else {
                // A round that found the list of children incomplete continues in the next turn.
                sweeps.append(sweep)
                if share > 0 { break }
                continue
            }
            guard let tree = sweep.tree, let refused = sweep.refused else { continue }
            tree.tell(KillRefusal(refused), into: &events)
        } while Clock.now < end
        if listChildren().adopted.contains(where: { $0.owner.isToEnd }) {
            // Processes born while their parents were being killed appear when their parents are
            // dead.
            for tree in trees.values where tree.isCondemned { kill(tree) }
            kill(nil)
        }
        for tree in trees.values.filter(\.awaitsEmptiness).sorted(by: { $0.id < $1.id })
        where isEmpty(tree) {
            tree.tellEmptied(into: &events)
        }
    }

    // MARK: Owners

    private enum Owner: Hashable {
        /// A tree in progress, by its number.
        case tree(UInt64)
        /// A former tree that was allowed to leave the process behind.
        case kept
        /// A tree that has ended.
        case formerTree
        case stranger

        var isToEnd: Bool {
            switch self {
            case .tree, .formerTree: true
            case .kept, .stranger: false
            }
        }
    }

    /// The permanent origin of a child, whatever it changes about itself later.
    private enum Origin {
        case marked(RunMark)
        /// The child has lost its mark; the number is the run that it claims, if any.
        case unmarked(UInt64?)
        case stranger
    }

    /// Our living children except the trees' executables.
    private struct Look {
        var adopted: [(pid: PID, owner: Owner)] = []
        /// The owners of processes that died during the look. Each might have left a child that we
        /// did not see, of the same owner.
        var bereaved: Set<Owner> = []
        /// Whether all children were visited, and the owner of each was found.
        var isComplete = true

        /// Whether no process that is to end can have been overlooked. The children of those that
        /// may stay may stay, too.
        var isSettled: Bool { isComplete && !bereaved.contains(where: \.isToEnd) }

        /// Whether none of this owner can have been overlooked, however restless others are.
        func isSettled(for owner: Owner) -> Bool { isComplete && !bereaved.contains(owner) }

        func pids(of owner: Owner) -> [PID] {
            adopted.filter { $0.owner == owner }.map(\.pid)
        }
    }

    /// Lists and reaps children until the list is complete, for a few milliseconds at most; the
    /// next turn handles the rest.
    private func listChildren() -> Look {
        var look = Look()
        var share = Self.share
        var visits = 0
        for _ in 0..<Self.looksMax where visits < Self.visitsMax {
            look = Look()
            let executables = Set(trees.values.compactMap { $0.process?.pid })
            // The latest first: of processes that only fork and end, only they may be alive.
            for pid in children.read().reversed()
            where !executables.contains(pid) && !helpers.contains(pid) {
                guard share > 0 else {
                    look.isComplete = false
                    break
                }
                visits += 1
                var origin = origins[pid]
                let isNew = origin == nil
                if isNew {
                    // Of a dead child, too, as long as nobody has collected it.
                    share -= 1
                    origin = self.origin(of: pid)
                    origins[pid] = origin
                }
                let owner = origin.map(owner)
                if isNew, let owner, isCondemned(owner) { strike(pid) }
                if ProcessTable.reap(pid) {
                    share -= 1
                    origins[pid] = nil
                    if let owner { look.bereaved.insert(owner) } else { look.isComplete = false }
                } else if let owner {
                    look.adopted.append((pid, owner))
                } else {
                    look.isComplete = false
                }
            }
            if look.isSettled || share <= 0 { break }
        }
        isLookCut = share <= 0
        isLookUnsettled = !look.isSettled && visits >= Self.visitsMax
        hasAdopted = look.adopted.contains { $0.owner.isToEnd } || !look.isSettled
        return look
    }

    /// Returns the PIDs of the tree's executable, if it runs, and of its descendants that we
    /// adopted.
    private func roots(of tree: ProcessTree) -> [PID] {
        listChildren().pids(of: .tree(tree.number)) + (tree.process.map { [$0.pid] } ?? [])
    }

    private func owner(of origin: Origin) -> Owner {
        switch origin {
        case .stranger: .stranger
        case .marked(let mark):
            trees[mark.run] != nil ? .tree(mark.run) : mark.mayStay ? .kept : .formerTree
        case .unmarked(let run?):
            trees[run] != nil ? .tree(run) : keepers.contains(run) ? .kept : .formerTree
        case .unmarked(nil): .formerTree
        }
    }

    private func isCondemned(_ owner: Owner) -> Bool {
        switch owner {
        case .tree(let number): trees[number]?.isCondemned == true
        case .formerTree: true
        case .kept, .stranger: false
        }
    }

    /// Kills a child of ours before anything else is read about it: a process that only forks and
    /// ends lives for a tenth of a millisecond, and its child for as long. Nobody but us can make
    /// its PID another process's.
    private func strike(_ pid: PID) {
        // A refusal is found, and reported, by the sweep that follows.
        _ = Glibc.kill(pid, SIGKILL)
    }

    /// Returns nil if the process has died meanwhile.
    private func origin(of pid: PID) -> Origin? {
        guard let limits = ProcessMark.Limits(of: pid) else { return nil }
        if let mark = RunMark(limits.hard, life: life.mark) {
            return .marked(mark)
        }
        // Only a run's process has a limit below ours, and this one has lowered its mark.
        if let limit = limits.hard, limit < ownLimit ?? .max { return .unmarked(nil) }
        // Our own limit forbids a mark, or root has raised it. `keepers` lists the runs whose
        // processes may stay.
        let names = ["CRD_RUN"]
        let id = ProcessTable.environment(of: pid, names)?["CRD_RUN"]
        let claimed = id.flatMap { id in trees.values.first { $0.id == id }?.number }
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

    /// A signal on its way to every process of a tree, or of all former trees; there may be
    /// thousands.
    private final class Sweep {
        let signal: TreeSignal
        /// Nil: the former trees.
        let tree: ProcessTree?
        var round = 0
        /// The PIDs of this round, and those that are not examined yet.
        var known: Set<PID> = []
        var waiting: [(pid: PID, identity: UInt64)] = []
        var hasMetAnybody = false
        /// The processes that have got the signal.
        var met: Set<ProcessTable.Entry> = []
        var refused: ProcessTable.Entry?

        init(_ signal: TreeSignal, through tree: ProcessTree?) {
            self.signal = signal
            self.tree = tree
        }

        func add(_ pids: [PID]) {
            for pid in pids where known.insert(pid).inserted {
                guard let identity = ProcessTable.identity(of: pid) else { continue }
                waiting.append((pid, identity))
            }
        }
    }

    /// Ends the tree's sweeps; they must not reach the tree's next processes.
    private func endSweeps(through tree: ProcessTree) { sweeps.removeAll { $0.tree === tree } }

    /// Begins to kill a tree, or with nil the former trees, unless that is under way.
    private func kill(_ tree: ProcessTree?) {
        if !sweeps.contains(where: { $0.tree === tree && $0.signal == .kill }) {
            _ = begin(Sweep(.kill, through: tree))
        }
    }

    /// Begins a sweep.
    ///
    /// - Returns: why a process of the first share cannot be killed, if the kernel refused it.
    private func begin(_ sweep: Sweep) -> KillRefusal? {
        var share = Self.share
        if !goOn(sweep, &share) { sweeps.append(sweep) }
        defer { sweep.refused = nil }
        return sweep.refused.map(KillRefusal.init)
    }

    /// Signals some processes, each of them once, until a round finds no new one. A process may
    /// fork between the look and the signal. The kernel's list of children may be incomplete while
    /// one of them ends (`/proc/PID/task/TID/children`, proc(5)).
    ///
    /// - Returns: whether all of them have got the signal.
    private func goOn(_ sweep: Sweep, _ share: inout Int) -> Bool {
        while share > 0 {
            guard let (pid, identity) = sweep.waiting.popLast() else {
                let isLast = sweep.round > 0 && !sweep.hasMetAnybody
                if isLast || sweep.round == Self.roundsMax { return true }
                beginRound(sweep)
                if !sweep.waiting.isEmpty { continue }
                return !isLookCut
            }
            share -= 1
            // A process that has got the PID of a dead one meanwhile may be anybody's.
            guard let process = ProcessTable.entry(pid), process.identity == identity else {
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
        let roots = sweep.tree.map(roots) ?? listChildren().pids(of: .formerTree)
        // An incomplete look does not count as a round.
        if !isLookCut { sweep.round += 1 }
        sweep.hasMetAnybody = false
        sweep.known = []
        sweep.add(
            ProcessTable.hasChildLists ? roots : ProcessTable().tree(below: roots).map(\.pid))
    }

    /// The share of one turn, some milliseconds: children collected or examined, or signals sent.
    private static let share = 128
    /// The time of all sweeps that continue in one turn.
    private static let timeShare = Duration.milliseconds(5)
    /// The signals between two readings of the clock.
    private static let signalsPerLook = 16
    /// The children that repeated looks visit, known ones included.
    private static let visitsMax = 1_024
    /// A tree that grows faster than it is killed is retried at its next SIGCHLD.
    private static let roundsMax = 16
    private static let looksMax = 16
    /// Beyond this count, unmarked leftovers of the oldest tree are killed.
    private static let keepersMax = 1_024
    /// There is no later retry when the daemon stops.
    private static let finalLooksMax = 5_000
}
