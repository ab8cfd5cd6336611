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

    private static let machineFile = "/etc/machine-id"

    private static var machineID: String? {
        KernelFile.read(machineFile)?.split(separator: "\n").first.map(String.init)
    }

    /// The directories that journald writes to (machine-id(5)).
    static var machineDirectories: [String] {
        guard let id = machineID else { return [] }
        return paths.map { "\($0)/\(id)" }
    }

    /// Returns why the journal cannot be read, with the remedy; nil if it can.
    static func objection() -> String? {
        if let refusal = refusal() { return refusal }
        guard presentDirectories.isEmpty else { return nil }
        guard machineID != nil else {
            return
                "\(machineFile) contains no ID, which is needed to find this machine's journal; run: "
                + "systemd-machine-id-setup"
        }
        return "there is no journal of this machine in \(paths.joined(separator: " or ")); is "
            + "systemd-journald running? does Storage= in journald.conf let it store anything?"
            + (strangers ?? "")
    }

    /// Returns why no new entries can be read when nothing writes any, with the remedy.
    static func silence() -> String {
        if let journald = try? Journald.find() {
            return "systemd-journald, process \(journald), stores nothing that could be read: set "
                + "Storage=persistent or Storage=volatile in journald.conf, see that the disk has "
                + "room, and run: systemctl restart systemd-journald"
        }
        return
            "this machine's journal is not being written, since systemd-journald is not running; "
            + "run: systemctl start systemd-journald" + (strangers ?? "")
    }

    /// Names a journal of another machine, if there is one: a container that should read its host's
    /// journal has a machine ID of its own.
    private static var strangers: String? {
        let own = machineID ?? ""
        let ids = paths.flatMap { Directory.entries(of: FilePath($0)).map(\.string) }
            .filter { $0 != own && $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) }
        guard let other = ids.min() else { return nil }
        return "; there is a journal of another machine, \(other): in a container that reads its "
            + "host's journal, \(machineFile) must also be the host's; here it is \(PrintableText.of(own))"
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

    /// Returns why the journal may not be read; nil if it may, or if there is none.
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
