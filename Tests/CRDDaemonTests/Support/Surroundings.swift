// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// What this machine lets tests do.
enum Surroundings {
    static let isRoot = geteuid() == 0
    static let needsRoot = "needs root"

    /// Whether others may execute our files; not if these lie in somebody's home.
    static let othersMayExecute: Bool = {
        var path = URL(fileURLWithPath: Binary.path)
        while path.path != "/" {
            var status = stat()
            if stat(path.path, &status) != 0 || status.st_mode & 0o001 == 0 { return false }
            path.deleteLastPathComponent()
        }
        return true
    }()

    /// Whether tests can start something as another user.
    static let canBecomeNobody = isRoot && othersMayExecute && find("setpriv") != nil
    static let needsNobody = "needs root, setpriv, and a checkout that others may enter"

    /// A prefix that runs a command as nobody.
    static let asNobody = [
        find("setpriv") ?? "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    ]

    /// Whether our log entries come from no cgroup that our daemons share.
    static let isInRootCgroup: Bool = {
        let text = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").allSatisfy {
            let parts = $0.split(
                separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            return parts.count < 3 || !["", "name=systemd"].contains(parts[1]) || parts[2] == "/"
        }
    }()

    /// Whether the kernel tells root of the context switches of other processes
    /// (perf_event_open(2)), and lets us ask.
    static let hasPerfEvents: Bool = {
        typealias Function = @convention(c) (Int, UnsafePointer<UInt32>, Int, Int, Int, Int) -> Int
        #if arch(x86_64)
            let number = 298
        #else
            let number = 241
        #endif
        guard isRoot, let symbol = dlsym(nil, "syscall") else { return false }
        // A struct perf_event_attr of its first size: PERF_TYPE_SOFTWARE, its size,
        // PERF_COUNT_SW_CONTEXT_SWITCHES.
        var attributes = [UInt32](repeating: 0, count: 16)
        attributes.replaceSubrange(0...2, with: [1, 64, 3])
        let event = unsafeBitCast(symbol, to: Function.self)(number, attributes, 1, -1, -1, 8)
        if event >= 0 { close(CInt(event)) }
        return event >= 0
    }()
    static let needsPerfEvents = "needs root, and a kernel that has perf events for it"

    static func find(_ program: String) -> String? {
        let directories = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/lib/systemd"]
        return directories.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    /// A C compiler; Swift ships with one.
    static let compiler = ["cc", "clang", "gcc"].lazy.compactMap(find).first

    /// Where cgroup2 is mounted, if it is.
    static let cgroupMount: String? = mounts.first { $0.kind == "cgroup2" }?.place

    /// The hierarchies that systemd uses: cgroup2, and beside it an older one on some machines.
    static let systemdCgroupMounts: [String] =
        mounts.filter {
            $0.kind == "cgroup2" || $0.kind == "cgroup" && $0.options.contains("name=systemd")
        }.map(\.place)

    private static let mounts: [(place: String, kind: Substring, options: Substring)] = {
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        return mounts.split(separator: "\n").compactMap {
            let fields = $0.split(separator: " ")
            return fields.count > 3 ? (String(fields[1]), fields[2], fields[3]) : nil
        }
    }()
}

/// How a daemon finds the processes of its runs.
enum Containment: String, CaseIterable, CustomTestStringConvertible {
    case subreaper, cgroup

    /// Those available here.
    static let available: [Containment] = {
        DelegatedCgroup.isPossible ? allCases : [.subreaper]
    }()

    var testDescription: String { rawValue }
}
