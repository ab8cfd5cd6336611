// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import CRDModules
import FoundationEssentials
import Glibc
import SystemPackage

/// What a daemon notes about itself, so that its successor recognizes the processes of its runs
/// after it was killed. Written once, at the start: a run costs nothing more.
///
/// Only root can read the file. A daemon that leaves no process behind deletes it when it stops.
struct DaemonLife: Codable, Equatable {
    /// The machine's boot ID; no process survives a reboot.
    private let boot: String?
    /// Identifies the life in the marks of its processes.
    let mark: RunMark.Life
    /// The prefix of its runs' ids, `CRD_RUN`.
    let runPrefix: String
    /// Attributes that its runs have inherited and that only root can change.
    let surroundings: Surroundings
    /// The parent of its runs' cgroups, if the daemon had any to give.
    var cgroup: Place?

    /// A directory; a new one at the same path has another inode.
    struct Place: Codable, Equatable {
        let path: String
        let inode: UInt64

        init?(_ path: FilePath) {
            guard let status = FileStatus(of: path) else { return nil }
            self.path = path.string
            inode = status.inode
        }
    }

    /// The cgroups and login session of a process.
    struct Surroundings: Codable, Equatable {
        /// The cgroups in the hierarchies that systemd uses.
        private let cgroups: [String]
        /// The login user (`/proc/PID/loginuid`).
        private let login: String?

        init(of process: String) {
            let lines = (KernelFile.read("/proc/\(process)/cgroup") ?? "").split(separator: "\n")
            cgroups = lines.map(String.init).filter {
                $0.hasPrefix("0::") || $0.contains(":name=systemd:")
            }
            login = KernelFile.read("/proc/\(process)/loginuid")
        }
    }

    /// Returns a new life. Call this before the daemon moves to another cgroup.
    static func begin() -> DaemonLife {
        DaemonLife(
            boot: currentBoot, mark: .random(),
            runPrefix: String(UInt64.random(in: 0..<1 << 48), radix: 36) + "-",
            surroundings: Surroundings(of: "self"))
    }

    private static var currentBoot: String? { KernelFile.read("/proc/sys/kernel/random/boot_id") }

    /// Reads the stored life; returns nil if there is none, or if the machine has rebooted since.
    static func stored(in directory: FilePath) -> DaemonLife? {
        let life = try? JSONFile.load(
            DaemonLife.self, from: file(in: directory), sizeMax: sizeMax)
        return life?.boot == currentBoot ? life : nil
    }

    /// Replaces the note, without waiting for the disk: no process survives a power failure.
    func store(in directory: FilePath) throws {
        let path = Self.file(in: directory)
        let new = DurableFile.unfinished(path)
        let file = try Descriptor.open(new, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        try file.writeAll(Array(JSONEncoder().encode(self)), subject: new.string)
        try systemCall("rename", on: path.string) { rename(new.string, path.string) }
    }

    static func forget(in directory: FilePath) { unlink(file(in: directory).string) }

    private static func file(in directory: FilePath) -> FilePath {
        directory.appending("life.json")
    }

    private static let sizeMax = 1 << 16
}
