// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// The directories that journals lie in, as they are at one moment.
///
/// libsystemd hears of what changes within them, but not that one of them comes, or goes and comes
/// again, as when the journal becomes a lasting one. Where no inotify watch is to be had it does
/// not even hear of a rotation.
struct JournalRoots: Equatable {
    private struct Identity: Equatable {
        let device: UInt64
        let inode: UInt64
    }

    static let paths = ["/run/log/journal", "/var/log/journal"]

    private let identities: [Identity?]

    /// - Parameter includingFiles: look at the journal's current files too.
    init(includingFiles: Bool) {
        let directories = Self.paths
        let files = includingFiles ? Self.machineDirectories.map { "\($0)/system.journal" } : []
        identities = (directories + files).map { path in
            FileStatus(of: FilePath(path)).map { Identity(device: $0.device, inode: $0.inode) }
        }
    }

    /// Where journald puts what it logs (machine-id(5)).
    private static var machineDirectories: [String] {
        guard let id = TextFile.read("/etc/machine-id")?.split(separator: "\n").first else {
            return []
        }
        return paths.map { "\($0)/\(id)" }
    }

    /// What keeps us from reading what is there, with the remedy; nil if nothing does.
    static func objection() -> String? {
        if let refusal = refusal() { return refusal }
        guard presentDirectories.isEmpty else { return nil }
        return "there is no journal of this machine in \(paths.joined(separator: " or ")); is "
            + "systemd-journald running?"
    }

    /// Why we may not read what is there; nil where we may, and where nothing is.
    static func refusal() -> String? {
        for directory in presentDirectories {
            for path in [directory, "\(directory)/system.journal"] {
                if access(path, R_OK) != 0 && errno == EACCES {
                    return "the journal '\(path)' cannot be read: Permission denied; run crd as "
                        + "root, or add SupplementaryGroups=systemd-journal to its service"
                }
            }
        }
        return nil
    }

    private static var presentDirectories: [String] {
        machineDirectories.filter { access($0, F_OK) == 0 || errno == EACCES }
    }
}
