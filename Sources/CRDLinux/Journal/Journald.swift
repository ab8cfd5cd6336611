// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// systemd-journald, of whom each machine and each container has one of its own.
public enum Journald {
    static let socket = "/run/systemd/journal/socket"
    private static let unit = "system.slice/systemd-journald.service"

    /// The process that serves our own socket; nil where there is none.
    ///
    /// - Throws: `SystemCallError` where there is one that others may not look at (proc(5)).
    public static func find() throws(SystemCallError) -> PID? {
        guard let own = FileStatus(of: FilePath(socket)) else { return nil }
        var refusal: SystemCallError?
        func isOurs(_ pid: PID) -> Bool {
            do throws(SystemCallError) {
                guard try executesJournald(pid) else { return false }
            } catch {
                refusal = error
                return false
            }
            let other = FileStatus(of: FilePath("/proc/\(pid)/root\(socket)"))
            return other?.device == own.device && other?.inode == own.inode
        }
        // Its service's processes are found at once; the look at all of them is for where that
        // service is another's, or nobody's.
        let found =
            serviceProcesses().first(where: isOurs)
            ?? ProcessTable().entries.map(\.pid).first(where: isOurs)
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

    /// - Throws: where only its name says that it does, which it could have given itself.
    private static func executesJournald(_ pid: PID) throws(SystemCallError) -> Bool {
        let link = FilePath("/proc/\(pid)/exe")
        if let target = SymbolicLink.target(of: link) {
            return target.lastComponent?.string.hasPrefix("systemd-journald") ?? false
        }
        let code = Errno(rawValue: errno)
        // Of the name there are 15 bytes.
        if code == .permissionDenied,
            KernelFile.read("/proc/\(pid)/comm")?.hasPrefix("systemd-journal") == true
        {
            throw SystemCallError(function: "readlink", errno: code, subject: link.string)
        }
        return false
    }
}
