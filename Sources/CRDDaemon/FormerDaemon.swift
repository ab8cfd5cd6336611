// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Logging
import SystemPackage

/// What a daemon that was killed left running: no run of ours may meet its processes (G3, G7).
struct FormerDaemon {
    private let state: FilePath
    private let origin: RunMark.Origin
    /// Whether a module's response may leave processes behind.
    private let keepsLeftovers: (String) -> Bool

    private static let names = ["CRD_RUN", "CRD_STATE", "CRD_MODULE", "CRD_ROLE"]

    /// - Parameter state: the state directory, also of the former daemon.
    init(
        state: FilePath, origin: RunMark.Origin, keepsLeftovers: @escaping (String) -> Bool
    ) {
        self.state = state
        self.origin = origin
        self.keepsLeftovers = keepsLeftovers
    }

    /// Kills what runs of a former daemon on the same state directory left behind: recognized by
    /// their mark, or by `CRD_RUN` and `CRD_STATE` in the environment they were started with.
    func killLeftovers(_ logger: Logger) {
        let (killed, refused) = ProcessTable.killAll(knowing: Self.names, where: isLeftover)
        for process in refused { logger.error("a former crd's run left \(KillRefusal(process))") }
        guard killed > 0 else { return }
        logger.notice("killed \(killed) processes that a former crd's runs had left behind")
    }

    private func isLeftover(_ pid: PID, _ variables: [String: String]) -> Bool {
        if let mark = RunMark(of: pid, origin: origin) { return !mark.mayStay }
        // Not what somebody has called by hand.
        guard let run = variables["CRD_RUN"], !ModuleExecution.isByHand(run),
            let own = variables["CRD_STATE"],
            FilePath(own).starts(with: state.appending("modules")), sharesState(pid),
            // Not what a crd runs that is just installing something.
            variables["CRD_ROLE"].flatMap(ModuleScript.init(rawValue:)) == nil
        else { return false }
        let mayStay =
            variables["CRD_ROLE"] == Role.response.rawValue
            && (variables["CRD_MODULE"].map(keepsLeftovers) ?? false)
        return !mayStay
    }

    /// The daemon of a container may have a state directory of the same name: its processes are not
    /// ours. A process of ours may have changed its root directory, but then not its mounts too.
    private func sharesState(_ pid: PID) -> Bool {
        func mounts(of process: String) -> FilePath? {
            SymbolicLink.target(of: FilePath("/proc/\(process)/ns/mnt"))
        }
        if let own = mounts(of: "self"), mounts(of: "\(pid)") == own { return true }
        guard let own = FileStatus(of: state),
            let seen = FileStatus(of: FilePath("/proc/\(pid)/root\(state)"))
        else { return false }
        return (own.device, own.inode) == (seen.device, seen.inode)
    }
}
