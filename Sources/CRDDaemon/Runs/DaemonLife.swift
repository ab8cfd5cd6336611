// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import CRDModules
import FoundationEssentials
import Glibc
import SystemPackage

/// What a daemon notes of itself, so that the one that comes after it knows the processes of its runs,
/// should it be killed. Written once, at the start: a run costs nothing more.
///
/// Its file is root's alone, and gone when a daemon has ended that left nothing.
struct DaemonLife: Codable, Equatable {
    /// The machine's boot, which no process outlives.
    private let boot: String?
    /// In the marks of its processes.
    let mark: RunMark.Life
    /// How the ids of its runs begin, `CRD_RUN`.
    let runPrefix: String
    /// What its runs have inherited, and only root can change.
    let surroundings: Surroundings
    /// What has the cgroups of its runs below it, if the daemon had any to give.
    var cgroup: Place?

    /// A directory; one that was made anew has another inode.
    struct Place: Codable, Equatable {
        let path: String
        let inode: UInt64

        init?(_ path: FilePath) {
            guard let status = FileStatus(of: path) else { return nil }
            self.path = path.string
            inode = status.inode
        }
    }

    /// Where the service manager and the login have put a process.
    struct Surroundings: Codable, Equatable {
        /// In the hierarchies that systemd uses.
        private let cgroups: [String]
        /// Who has logged in (`/proc/PID/loginuid`).
        private let login: String?

        init(of process: String) {
            let lines = (KernelFile.read("/proc/\(process)/cgroup") ?? "").split(separator: "\n")
            cgroups = lines.map(String.init).filter {
                $0.hasPrefix("0::") || $0.contains(":name=systemd:")
            }
            login = KernelFile.read("/proc/\(process)/loginuid")
        }
    }

    /// One that begins. To be called before the daemon moves to another cgroup.
    static func begin() -> DaemonLife {
        DaemonLife(
            boot: currentBoot, mark: .random(),
            runPrefix: String(UInt64.random(in: 0..<1 << 48), radix: 36) + "-",
            surroundings: Surroundings(of: "self"))
    }

    private static var currentBoot: String? { KernelFile.read("/proc/sys/kernel/random/boot_id") }

    /// The one that was noted; nil where there is none, or the machine has been started since then.
    static func noted(in directory: FilePath) -> DaemonLife? {
        let life = try? JSONFile.load(
            DaemonLife.self, from: file(in: directory), sizeMax: sizeMax)
        return life?.boot == currentBoot ? life : nil
    }

    /// Replaces the note. Not waited for until it is on the disk: no process outlives a loss of power.
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
