// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// systemd-journald; each machine and each container has its own.
public enum Journald {
    static let socket = "/run/systemd/journal/socket"
    private static let unit = "system.slice/systemd-journald.service"

    /// Returns the process that serves this system's own journal socket; nil if there is none.
    ///
    /// - Throws: `SystemCallError` if a likely process may not be inspected (proc(5)).
    public static func find() throws(SystemCallError) -> PID? {
        guard let own = FileStatus(of: FilePath(socket)) else { return nil }
        var refusal: SystemCallError?
        func isOurs(_ pid: PID) -> Bool {
            // journald is root's; other users' processes could make us wait (`ProcessTable`).
            guard ProcessTable.belongs(pid, to: 0) else { return false }
            do throws(SystemCallError) {
                guard try executesJournald(pid) else { return false }
            } catch {
                refusal = error
                return false
            }
            let other = FileStatus(of: FilePath("/proc/\(pid)/root\(socket)"))
            return other?.device == own.device && other?.inode == own.inode
        }
        // The processes of its service are quick to find. The search of all processes is for
        // systems where journald does not run in that service.
        let found =
            serviceProcesses().first(where: isOurs)
            ?? ProcessTable.processIDs().first(where: isOurs)
        if let found { return found }
        if let refusal { throw refusal }
        return nil
    }

    private static func serviceProcesses() -> [PID] {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].flatMap { mount in
            (KernelFile.read("\(mount)/\(unit)/cgroup.procs") ?? "").split(separator: "\n")
                .compactMap { PID($0) }
        }
    }

    /// Returns whether the process executes journald.
    ///
    /// - Throws: `SystemCallError` if only its name says so, which it could have chosen itself.
    private static func executesJournald(_ pid: PID) throws(SystemCallError) -> Bool {
        let link = FilePath("/proc/\(pid)/exe")
        if let target = SymbolicLink.target(of: link) {
            return target.lastComponent?.string.hasPrefix("systemd-journald") ?? false
        }
        let code = Errno(rawValue: errno)
        // The kernel keeps 15 bytes of the name.
        if code == .permissionDenied,
            KernelFile.read("/proc/\(pid)/comm")?.hasPrefix("systemd-journal") == true
        {
            throw SystemCallError(function: "readlink", errno: code, subject: link.string)
        }
        return false
    }
}
