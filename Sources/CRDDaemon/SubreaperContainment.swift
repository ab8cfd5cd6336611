// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// Without cgroups: whoever loses its parent becomes a child of the daemon, the subreaper
/// (prctl(2), `PR_SET_CHILD_SUBREAPER`), and is told by `CRD_RUN` in the environment that it was
/// started with.
///
/// One that hides even that is killed when no run is under way, for then it can belong to none.
final class SubreaperContainment: Containment {
    let name = "subreaper"
    let adopts = true
    /// Runs between `admit` and `release`, by their id.
    private var runs: [String: ActiveRun] = [:]
    /// Whether responses of a module may leave processes behind.
    private let keepsLeftovers: (String) -> Bool
    private let children = ChildList()
    /// Processes without `CRD_RUN` that responses had leave to leave behind.
    private var kept = Set<ProcessTable.Entry>()
    /// Whether the last look found anybody that is not a run's executable.
    private var hasAdopted = false

    init(keepsLeftovers: @escaping (String) -> Bool) throws(SystemCallError) {
        self.keepsLeftovers = keepsLeftovers
        try ChildProcess.adoptOrphans()
    }

    func admit(_ run: ActiveRun) {
        runs[run.id] = run
        run.isCondemned = false
    }

    func send(_ signal: TreeSignal, to run: ActiveRun) {
        switch signal {
        case .terminate:
            for process in ProcessTable.currentTree(below: roots(of: run)) {
                ProcessTable.terminate(process)
            }
        case .kill:
            run.isCondemned = true
            killAll { self.roots(of: run) }
        }
    }

    func isEmpty(_ run: ActiveRun) -> Bool {
        let look = look()
        return look.isSettled && run.process == nil && look.pids(of: .run(run.id)).isEmpty
    }

    func awaitEmptiness(of run: ActiveRun) {}

    func release(_ run: ActiveRun, keepingLeftovers: Bool) {
        runs[run.id] = nil
        // The look at whether the run was empty has shown whether there is anybody.
        guard keepingLeftovers || hasAdopted else { return }
        if keepingLeftovers { keepNobodys() }
        killNobodys()
    }

    func finish() -> Bool {
        // What forks without end is caught by who is faster, so without a pause.
        for _ in 0..<Self.finalLooksMax {
            let look = look()
            let left = look.adopted.filter { $0.owner != .kept }.map(\.pid)
            if left.isEmpty && look.isSettled { return true }
            for process in ProcessTable.currentTree(below: left) {
                ProcessTable.send(SIGKILL, to: process)
            }
        }
        return false
    }

    func reapAdopted(into events: inout [Event]) {
        if !look().adopted.isEmpty {
            // Who was born while its parents were being killed turns up when they are dead.
            for run in runs.values where run.isCondemned { killAll { self.roots(of: run) } }
            killNobodys()
        }
        for run in runs.values.filter(\.awaitsEmptiness).sorted(by: { $0.id < $1.id })
        where isEmpty(run) {
            run.tellEmptied(into: &events)
        }
    }

    // MARK: Whose is it?

    private enum Owner: Equatable {
        case run(String)
        /// A response that had leave to leave it behind.
        case kept
        case nobody
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
            for pid in children.read() where !executables.contains(pid) {
                guard !ProcessTable.reap(pid), let owner = owner(of: pid) else {
                    look.isSettled = false
                    continue
                }
                look.adopted.append((pid, owner))
            }
            if look.isSettled { break }
        }
        hasAdopted = !look.adopted.isEmpty || !look.isSettled
        return look
    }

    /// The run's executable, if it runs, and those of its descendants that we adopted.
    private func roots(of run: ActiveRun) -> [PID] {
        look().pids(of: .run(run.id)) + (run.process.map { [$0.pid] } ?? [])
    }

    /// Nil for one that has died meanwhile.
    private func owner(of pid: PID) -> Owner? {
        let names = ["CRD_RUN", "CRD_ROLE", "CRD_MODULE"]
        let variables = ProcessTable.environment(of: pid, names) ?? [:]
        guard let id = variables["CRD_RUN"] else {
            guard let entry = ProcessTable.entry(pid), !entry.isZombie else { return nil }
            return kept.contains(entry) ? .kept : .nobody
        }
        if runs[id] != nil { return .run(id) }
        let isResponses = variables["CRD_ROLE"] == Role.response.rawValue
        let mayStay = variables["CRD_MODULE"].map(keepsLeftovers) ?? false
        return isResponses && mayStay ? .kept : .nobody
    }

    /// A response that may leave processes behind has ended: theirs are told from then on by what
    /// they are, whatever environment they gave themselves.
    private func keepNobodys() {
        let look = look()
        kept = Set(
            (look.pids(of: .nobody) + look.pids(of: .kept)).compactMap { ProcessTable.entry($0) })
    }

    private func killNobodys() {
        guard runs.isEmpty else { return }
        killAll { self.look().pids(of: .nobody) }
    }

    /// SIGKILL until a look finds nobody new: a process may fork between the look and the signal.
    private func killAll(below roots: () -> [PID]) {
        var killed = Set<ProcessTable.Entry>()
        for _ in 0..<Self.roundsMax {
            let found = Set(ProcessTable.currentTree(below: roots())).subtracting(killed)
            if found.isEmpty { return }
            for process in found { ProcessTable.send(SIGKILL, to: process) }
            killed.formUnion(found)
        }
    }

    /// A tree that grows faster than it is killed gets another try with its next SIGCHLD.
    private static let roundsMax = 16
    private static let looksMax = 16
    /// At the end there is no next time.
    private static let finalLooksMax = 5_000
}
