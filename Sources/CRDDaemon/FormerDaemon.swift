// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Logging
import SystemPackage

/// What a daemon that was killed left running: no run of ours may meet its processes (G3, G7).
enum FormerDaemon {
    /// Kills what runs of a former daemon on the same state directory left behind, told by
    /// `CRD_RUN` and `CRD_STATE` in the environment it was started with.
    ///
    /// - Parameter keepsLeftovers: whether a module's response may leave processes behind.
    static func killLeftovers(
        state: FilePath, keepsLeftovers: (String) -> Bool, logger: Logger
    ) {
        let killed = ProcessTable.killAll { isLeftover($0, state, keepsLeftovers) }
        guard killed > 0 else { return }
        logger.notice("killed \(killed) processes that a former crd's runs had left behind")
    }

    private static func isLeftover(
        _ pid: PID, _ state: FilePath, _ keepsLeftovers: (String) -> Bool
    ) -> Bool {
        let names = ["CRD_RUN", "CRD_STATE", "CRD_MODULE", "CRD_ROLE"]
        guard let variables = ProcessTable.environment(of: pid, names),
            variables["CRD_RUN"] != nil, let own = variables["CRD_STATE"],
            FilePath(own).starts(with: state.appending("modules")),
            // Not what a crd runs that is just installing something.
            variables["CRD_ROLE"].flatMap(ModuleScript.init(rawValue:)) == nil
        else { return false }
        let mayStay =
            variables["CRD_ROLE"] == Role.response.rawValue
            && (variables["CRD_MODULE"].map(keepsLeftovers) ?? false)
        return !mayStay
    }
}
