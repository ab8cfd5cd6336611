// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

@testable import CRDLinux

/// A cgroup of one test, emptied and removed when dropped.
final class ScratchCgroup {
    let cgroup: Cgroup
    let below: Cgroup

    /// Where cgroup2 is mounted, if it allows new directories and can kill.
    static let mount: FilePath? = {
        guard geteuid() == 0, let text = KernelFile.read("/proc/self/mountinfo") else { return nil }
        let line = text.split(separator: "\n").first { $0.contains(" - cgroup2 ") }
        guard let field = line?.split(separator: " ")[4] else { return nil }
        let probe = FilePath(String(field)).appending("crd-test-probe-\(getpid())")
        defer { _ = probe.withPlatformString { rmdir($0) } }
        let made = try? Cgroup(probe, emptied: { _ in })
        return made.map { $0.path.removingLastComponent() }
    }()

    init() throws {
        let name = "crd-test-\(getpid())-\(UInt64.random(in: 0..<(1 << 40)))"
        guard let mount = Self.mount else { throw Errno.notSupported }
        // The event that it reports as a source: a run of module 0 is over.
        cgroup = try Cgroup(mount.appending(name)) { $0.append(.emptied(ModuleID(0))) }
        below = try Cgroup(cgroup.path.appending("below")) { _ in }
    }

    deinit {
        try? cgroup.kill()
        for _ in 0..<1_000 where (try? cgroup.isPopulated()) == true { usleep(1_000) }
        below.remove()
        cgroup.remove()
    }
}
