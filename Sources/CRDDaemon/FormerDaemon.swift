// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging
import SystemPackage

/// What a daemon that was killed left running: no run of ours may meet its processes (G3, G7).
enum FormerDaemon {
    /// How long to wait for SIGKILL to take effect, in steps of 10 ms.
    private static let stepsMax = 200

    /// Kills what runs of a former daemon on the same state directory left behind, told by
    /// `CRD_RUN` and `CRD_STATE` in the environment it was started with.
    ///
    /// - Parameter keepsLeftovers: whether a module's response may leave processes behind.
    static func killLeftovers(
        state: FilePath, keepsLeftovers: (String) -> Bool, logger: Logger
    ) {
        var killed = Set<ProcessTable.Entry>()
        for _ in 0..<stepsMax {
            let table = ProcessTable()
            let roots = table.entries.filter { !$0.isZombie && $0.pid != getpid() }.map(\.pid)
                .filter { isLeftover($0, state, keepsLeftovers) }
            if roots.isEmpty { break }
            for process in table.tree(below: roots) where process.pid != getpid() {
                ProcessTable.send(SIGKILL, to: process)
                killed.insert(process)
            }
            usleep(10_000)
        }
        guard !killed.isEmpty else { return }
        logger.notice("killed \(killed.count) processes that a former crd's runs had left behind")
    }

    private static func isLeftover(
        _ pid: PID, _ state: FilePath, _ keepsLeftovers: (String) -> Bool
    ) -> Bool {
        let names = ["CRD_RUN", "CRD_STATE", "CRD_MODULE", "CRD_ROLE"]
        guard let variables = ProcessTable.environment(of: pid, names),
            variables["CRD_RUN"] != nil, let own = variables["CRD_STATE"],
            FilePath(own).starts(with: state.appending("modules"))
        else { return false }
        let mayStay =
            variables["CRD_ROLE"] == Role.response.rawValue
            && (variables["CRD_MODULE"].map(keepsLeftovers) ?? false)
        return !mayStay
    }
}
