// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// What this machine lets tests do.
enum Surroundings {
    static let isRoot = geteuid() == 0
    static let needsRoot = "needs root"

    /// Whether a file of ours may be executed by others, or lies in somebody's home.
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

    /// A command that executes the one after it as nobody.
    static let asNobody = [
        find("setpriv") ?? "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    ]

    static func find(_ program: String) -> String? {
        let directories = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/lib/systemd"]
        return directories.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    /// Where cgroup2 is mounted, if it is.
    static let cgroupMount: String? = {
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        for mount in mounts.split(separator: "\n") {
            let fields = mount.split(separator: " ")
            if fields.count > 2 && fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }()
}

/// How a daemon finds the processes of its runs.
enum Containment: String, CaseIterable, CustomTestStringConvertible {
    case subreaper, cgroup

    /// Those that can be had here.
    static let available: [Containment] = {
        DelegatedCgroup.isPossible ? allCases : [.subreaper]
    }()

    var testDescription: String { rawValue }
}

/// A cgroup that is the daemon's to divide, as systemd's `Delegate=yes` makes it.
final class DelegatedCgroup {
    let path: String

    static let isPossible: Bool = Surroundings.isRoot && (try? DelegatedCgroup()) != nil

    init() throws {
        guard let mount = Surroundings.cgroupMount else { throw Trouble("no cgroup2 is mounted") }
        path = "\(mount)/crd-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        guard mkdir(path, 0o755) == 0, Self.markAsDelegated(path),
            access("\(path)/cgroup.kill", F_OK) == 0
        else {
            rmdir(path)
            throw Trouble("no cgroup can be made in \(mount)")
        }
        Janitor.shared.expect(path, "")
    }

    deinit {
        try? Data("1".utf8).write(to: URL(fileURLWithPath: "\(path)/cgroup.kill"))
        for _ in 0..<200 {
            let below = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            for name in below { rmdir("\(path)/\(name)") }
            if rmdir(path) == 0 || errno == ENOENT { return }
            usleep(10_000)
        }
    }

    /// setxattr(2), which Swift's Glibc does not know.
    private static func markAsDelegated(_ path: String) -> Bool {
        typealias Function =
            @convention(c) (
                UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafeRawPointer, Int, CInt
            ) -> CInt
        guard let symbol = dlsym(nil, "setxattr") else { return false }
        let setxattr = unsafeBitCast(symbol, to: Function.self)
        return setxattr(path, "trusted.delegate", "1", 1, 0) == 0
    }

    /// A command that executes the one after it inside.
    var prefix: [String] {
        ["/bin/sh", "-c", "echo $$ >'\(path)/cgroup.procs' && exec \"$@\"", "sh"]
    }

    /// Every process in it and below it.
    var members: [pid_t] {
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []
        return names.filter { $0.hasSuffix("cgroup.procs") }.flatMap { name in
            ((try? String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)) ?? "")
                .split(separator: "\n").compactMap { pid_t($0) }
        }
    }
}
