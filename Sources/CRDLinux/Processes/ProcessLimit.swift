// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// The limit that prevents another process, for which clone(2) only gives EAGAIN, and the remedy.
struct ProcessLimit {
    /// Where the kernel's files are; elsewhere in tests.
    var proc = FilePath("/proc")
    var cgroups = FilePath("/sys/fs/cgroup")
    /// How many processes our user may have; nil if there is no limit, and for root, who has none.
    var userMax = Self.ownUserMax

    private static var ownUserMax: UInt64? { geteuid() == 0 ? nil : softMax }

    /// The soft limit that our children inherit (getrlimit(2), `RLIMIT_NPROC`).
    static var softMax: UInt64? {
        var limit = rlimit()
        let isKnown = getrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &limit) == 0
        return isKnown && limit.rlim_cur != rlim_t.max ? UInt64(limit.rlim_cur) : nil
    }

    /// The limit that is reached, and the remedy; all possible ones if none is reached any more.
    var remedy: String {
        if let remedy = cgroupRemedy ?? systemRemedy { return remedy }
        if let userMax {
            return "its user may have \(userMax) of them; raise LimitNPROC= in crd.service, or "
                + "nproc in /etc/security/limits.conf if crd is not a service"
        }
        return "raise TasksMax= in crd.service (or pids.max of its cgroup), or the sysctls "
            + "kernel.pid_max and kernel.threads-max"
    }

    /// A cgroup's limit covers all cgroups below it, so any ancestor of ours may be the cause.
    private var cgroupRemedy: String? {
        for line in lines(proc.appending("self/cgroup")) {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let hierarchies: [String] =
                parts[1].isEmpty
                ? ["", "unified"] : parts[1].split(separator: ",").contains("pids") ? ["pids"] : []
            for hierarchy in hierarchies {
                let root = hierarchy.isEmpty ? cgroups : cgroups.appending(hierarchy)
                if let remedy = remedy(from: String(parts[2]), below: root) { return remedy }
            }
        }
        return nil
    }

    private func remedy(from path: String, below root: FilePath) -> String? {
        var names = FilePath(path).components.map(\.string)
        while true {
            let directory = names.reduce(root) { $0.appending($1) }
            if let most = number(directory.appending("pids.max")),
                let count = number(directory.appending("pids.current")), count >= most
            {
                let isUnit = names.last.map { name in
                    [".service", ".slice", ".scope"].contains { name.hasSuffix($0) }
                }
                let remedy =
                    isUnit == true
                    ? "raise TasksMax= of \(names.last ?? "")" : "raise its pids.max"
                return "the cgroup /\(names.joined(separator: "/")) may have \(most) of them; "
                    + remedy
            }
            guard names.popLast() != nil else { return nil }
        }
    }

    private var systemRemedy: String? {
        // LOAD LOAD LOAD RUNNING/ALL LAST, proc_loadavg(5)
        let loads = lines(proc.appending("loadavg")).first?.split(separator: " ")
        guard let tasks = loads?.dropFirst(3).first?.split(separator: "/").last,
            let count = UInt64(tasks)
        else { return nil }
        for name in ["threads-max", "pid_max"] {
            guard let most = number(proc.appending("sys/kernel/\(name)")),
                // Some are reserved for the kernel and for root.
                count >= most - most / 16
            else { continue }
            return
                "the machine is limited to \(most) processes and threads, and has \(count); raise "
                + "the sysctl kernel.\(name), or end some"
        }
        return nil
    }

    private func lines(_ path: FilePath) -> [Substring] {
        (KernelFile.read(path.string) ?? "").split(separator: "\n")
    }

    private func number(_ path: FilePath) -> UInt64? { lines(path).first.flatMap { UInt64($0) } }
}
