// SPDX-License-Identifier: GPL-3.0-or-later

import SystemPackage

/// systemd-journald, of whom each machine and each container has one of its own.
public enum Journald {
    private static let socket = "/run/systemd/journal/socket"
    private static let unit = "system.slice/systemd-journald.service"

    /// The process that serves our own socket; nil where there is none, or we may not see it.
    public static func find() -> PID? {
        guard let own = FileStatus(of: FilePath(socket)) else { return nil }
        func isOurs(_ pid: PID) -> Bool {
            guard executesJournald(pid) else { return false }
            let other = FileStatus(of: FilePath("/proc/\(pid)/root\(socket)"))
            return other?.device == own.device && other?.inode == own.inode
        }
        // Its service's processes are found at once; the look at all of them is for where that
        // service is another's, or nobody's.
        return serviceProcesses().first(where: isOurs)
            ?? ProcessTable().entries.map(\.pid).first(where: isOurs)
    }

    private static func serviceProcesses() -> [PID] {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].flatMap { mount in
            (TextFile.read("\(mount)/\(unit)/cgroup.procs") ?? "").split(separator: "\n")
                .compactMap { PID($0) }
        }
    }

    private static func executesJournald(_ pid: PID) -> Bool {
        SymbolicLink.target(of: FilePath("/proc/\(pid)/exe"))?.lastComponent?.string
            .hasPrefix("systemd-journald") ?? false
    }
}
