// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// SIGKILL was refused (EPERM, kill(2)): the process runs as another user, and we are not root.
public struct KillRefusal: Hashable, Sendable, CustomStringConvertible {
    private let pid: PID
    private let name: String
    private let owner: UID?

    /// Reads the process's details now, since it may be gone later.
    public init(_ process: ProcessTable.Entry) {
        pid = process.pid
        // The process chooses its name itself.
        let bytes = ProcessTable.contents(of: "/proc/\(process.pid)/comm") ?? []
        name = String(decoding: bytes.filter { $0 >= 0x20 && $0 != 0x7f }, as: UTF8.self)
        owner = FileStatus(of: FilePath("/proc/\(process.pid)"))?.owner
    }

    public var description: String {
        "process \(pid) (\(name)) cannot be killed: it runs as user \(owner.map(String.init) ?? "unknown"), "
            + "and crd as user \(geteuid()), which is not root; end it as root (kill -KILL \(pid)), and "
            + "do not let the module start programs that change their user, such as sudo"
    }
}
