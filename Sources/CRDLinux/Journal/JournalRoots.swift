// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// A snapshot of the directories that hold journals.
///
/// libsystemd notices changes within them, but not that one is created or replaced, as when the
/// journal becomes persistent. Without an inotify watch it does not even notice a rotation.
struct JournalRoots: Equatable {
    private struct Identity: Equatable {
        let device: UInt64
        let inode: UInt64
    }

    static let paths = ["/run/log/journal", "/var/log/journal"]

    private let identities: [Identity?]

    /// - Parameter includingFiles: also look at the journal's current files.
    init(includingFiles: Bool) {
        let directories = Self.paths
        let files = includingFiles ? Self.machineDirectories.map { "\($0)/system.journal" } : []
        identities = (directories + files).map { path in
            FileStatus(of: FilePath(path)).map { Identity(device: $0.device, inode: $0.inode) }
        }
    }

    static let machineFile = "/etc/machine-id"

    static var machineID: String? {
        KernelFile.read(machineFile)?.split(separator: "\n").first.map(String.init)
    }

    /// The directories that journald writes to (machine-id(5)).
    static var machineDirectories: [String] {
        guard let id = machineID else { return [] }
        return paths.map { "\($0)/\(id)" }
    }

    /// Returns whether a process has a journal of this machine open for writing; nil where that
    /// cannot be found out. journald, in whatever container, does so while it stores anything.
    static func isWritten() -> Bool? {
        var answers: [Bool?] = []
        for directory in machineDirectories.map({ FilePath($0) }) {
            // Names of archived files contain an '@'.
            for name in Directory.entries(of: directory)
            where name.string.hasSuffix(".journal") && !name.string.contains("@") {
                answers.append(WriteLease.find(directory.appending(name)))
            }
        }
        if answers.contains(true) { return true }
        return answers.contains(nil) ? nil : false
    }

    static var presentDirectories: [String] {
        machineDirectories.filter { access($0, F_OK) == 0 || errno == EACCES }
    }
}
