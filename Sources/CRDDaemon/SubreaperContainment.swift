// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
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
    /// Whether the last look found anybody that is not a run's executable.
    private var hasAdopted = false

    init(keepsLeftovers: @escaping (String) -> Bool) throws(SystemCallError) {
        self.keepsLeftovers = keepsLeftovers
        try systemCall("prctl") { crd_become_subreaper() }
    }

    func admit(_ run: ActiveRun) {
        runs[run.id] = run
        run.isCondemned = false
    }

    func send(_ signal: TreeSignal, to run: ActiveRun) {
        let roots = roots(of: run)
        guard !roots.isEmpty else { return }
        switch signal {
        case .terminate:
            for process in ProcessTable.currentTree(below: roots) {
                ProcessTable.terminate(process)
            }
        case .kill:
            run.isCondemned = true
            killAll { self.roots(of: run) }
        }
    }

    func isEmpty(_ run: ActiveRun) -> Bool {
        roots(of: run).isEmpty
    }

    func awaitEmptiness(of run: ActiveRun) {}

    func release(_ run: ActiveRun) {
        runs[run.id] = nil
        // The look at whether the run was empty has shown whether there is anybody.
        if hasAdopted { killNobodys() }
    }

    private func killNobodys() {
        guard runs.isEmpty else { return }
        killAll { self.adopted().filter { self.owner(of: $0) == .nobody } }
    }

    func reapAdopted(into events: inout [Event]) {
        if !adopted().isEmpty {
            // Who was born while its parents were being killed turns up when they are dead.
            for run in runs.values where run.isCondemned { killAll { self.roots(of: run) } }
            killNobodys()
        }
        for run in runs.values.filter(\.awaitsEmptiness).sorted(by: { $0.id < $1.id })
        where isEmpty(run) {
            events.append(.emptied(run.module))
        }
    }

    // MARK: Whose is it?

    private enum Owner: Equatable {
        case run(String)
        /// A response that had leave to leave it behind.
        case kept
        case nobody
    }

    /// The run's executable, if it runs, and those of its descendants that we adopted.
    private func roots(of run: ActiveRun) -> [PID] {
        var roots = adopted().filter { owner(of: $0) == .run(run.id) }
        if let process = run.process { roots.append(process.pid) }
        return roots
    }

    /// Our living children apart from the runs' executables; the dead ones are collected.
    private func adopted() -> [PID] {
        let own = runs.values.compactMap { $0.process?.pid }
        let adopted = children.read().filter { !own.contains($0) && !ProcessTable.reap($0) }
        hasAdopted = !adopted.isEmpty
        return adopted
    }

    private func owner(of pid: PID) -> Owner {
        let names = ["CRD_RUN", "CRD_ROLE", "CRD_MODULE"]
        guard let variables = ProcessTable.environment(of: pid, names),
            let id = variables["CRD_RUN"]
        else { return .nobody }
        if runs[id] != nil { return .run(id) }
        let isResponses = variables["CRD_ROLE"] == Role.response.rawValue
        let mayStay = variables["CRD_MODULE"].map(keepsLeftovers) ?? false
        return isResponses && mayStay ? .kept : .nobody
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

    /// A tree that grows faster than it is killed gets another try when its time is up.
    private static let roundsMax = 16
}
