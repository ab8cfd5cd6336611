// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging
import SystemPackage

/// What a daemon that was killed left running: no run of ours may meet its processes (G3, G7).
///
/// Where it had cgroups, they tell. Elsewhere a process tells by its mark, or by `CRD_RUN` in the
/// environment it was started with; but both are the process's own claim, which somebody else may
/// have copied from a run. So it is believed of processes alone that its maker could end as well:
/// those whose user IDs are all the same, unlike a set-user-ID program's, in the cgroup and the
/// login session of the former daemon.
struct FormerDaemon {
    private let life: DaemonLife
    /// Whether a module's response may leave processes behind.
    private let keepsLeftovers: (String) -> Bool

    private static let names = ["CRD_RUN", "CRD_MODULE", "CRD_ROLE"]

    /// - Parameter life: as it is noted in the state directory, and of this boot.
    init(_ life: DaemonLife, keepsLeftovers: @escaping (String) -> Bool) {
        self.life = life
        self.keepsLeftovers = keepsLeftovers
    }

    /// Kills what runs of the former daemon left behind.
    func killLeftovers(_ logger: Logger) {
        let killed: Int
        if let cgroup = life.cgroup {
            let path = FilePath(cgroup.path)
            killed = DaemonLife.Place(path) == cgroup ? Cgroup.killRuns(below: path) : 0
        } else {
            let refused: [ProcessTable.Entry]
            (killed, refused) = ProcessTable.killAll(
                knowing: Self.names, where: isLeftover, andBelow: isOfSameUser)
            for process in refused {
                logger.error("a former crd's run left \(KillRefusal(process))")
            }
        }
        guard killed > 0 else { return }
        logger.notice("killed \(killed) processes that a former crd's runs had left behind")
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

    /// A user's process may have started a program that is not the user's to end.
    private func isOfSameUser(_ leftover: PID, _ descendant: PID) -> Bool {
        let user = user(of: leftover)
        return user == 0 || user == self.user(of: descendant)
    }

    /// Nil where a process has several users: a set-user-ID program.
    private func user(of pid: PID) -> UID? {
        let users = Set(ProcessTable.userIDs(of: pid))
        return users.count == 1 ? users.first : nil
    }
}
