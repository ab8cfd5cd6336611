// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging
import SystemPackage

/// The processes that a killed daemon left running: they must not overlap with our runs (G3, G7).
///
/// If that daemon had cgroups, these identify its processes. Otherwise a process is identified by
/// its mark, or by `CRD_RUN` in its initial environment. But a process can forge both, by copying
/// them from a run. So they are trusted only for processes that the forger could kill anyway. These
/// are in the former daemon's cgroup and login session, and their user IDs are all equal, unlike a
/// set-user-ID program's.
struct FormerDaemon {
    private let life: DaemonLife
    /// Whether a module's response may leave processes behind.
    private let keepsLeftovers: (String) -> Bool

    private static let names = ["CRD_RUN", "CRD_MODULE", "CRD_ROLE"]

    /// Takes a life that the state directory holds and that is of this boot.
    init(_ life: DaemonLife, keepsLeftovers: @escaping (String) -> Bool) {
        self.life = life
        self.keepsLeftovers = keepsLeftovers
    }

    /// Kills the leftovers of the former daemon's runs.
    func killLeftovers(_ logger: Logger) {
        let killed: Int
        if let cgroup = life.cgroup {
            let path = FilePath(cgroup.path)
            killed = DaemonLife.Place(path) == cgroup ? Cgroup.killRuns(below: path) : 0
        } else {
            let refused: [ProcessTable.Entry]
            (killed, refused) = ProcessTable.killAll(
                knowing: Self.names, where: isLeftover, ownedBy: user)
            for process in refused {
                logger.error(
                    "a run of a previous crd left a process behind: \(KillRefusal(process))")
            }
        }
        guard killed > 0 else { return }
        let count = CountedNoun(killed, "process", "processes")
        logger.notice("killed \(count) that runs of a previous crd had left behind")
    }

    private func isLeftover(_ pid: PID, _ variables: [String: String]) -> Bool {
        claimsToBeLeft(pid, variables) && user(of: pid) != nil
            && DaemonLife.Surroundings(of: "\(pid)") == life.surroundings
    }

    private func claimsToBeLeft(_ pid: PID, _ variables: [String: String]) -> Bool {
        let limits = ProcessMark.Limits(of: pid)
        if let mark = RunMark(limits?.hard, life: life.mark)
            ?? RunMark(limits?.soft, life: life.mark)
        {
            return !mark.mayStay
        }
        guard variables["CRD_RUN"]?.hasPrefix(life.runPrefix) == true else { return false }
        return variables["CRD_ROLE"] != Role.response.rawValue
            || !(variables["CRD_MODULE"].map(keepsLeftovers) ?? false)
    }

    /// Returns nil if a process has several user IDs, as a set-user-ID program has: a user's process
    /// may have started it, and its user may not kill it.
    private func user(of pid: PID) -> UID? {
        let users = Set(ProcessTable.userIDs(of: pid))
        return users.count == 1 ? users.first : nil
    }
}
