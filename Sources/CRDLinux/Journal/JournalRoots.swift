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

    private static let machineFile = "/etc/machine-id"

    private static var machineID: String? {
        KernelFile.read(machineFile)?.split(separator: "\n").first.map(String.init)
    }

    /// Where journald puts what it logs (machine-id(5)).
    private static var machineDirectories: [String] {
        guard let id = machineID else { return [] }
        return paths.map { "\($0)/\(id)" }
    }

    /// What keeps us from reading what is there, with the remedy; nil if nothing does.
    static func objection() -> String? {
        if let refusal = refusal() { return refusal }
        guard presentDirectories.isEmpty else { return nil }
        guard machineID != nil else {
            return "\(machineFile) has no ID, by which this machine's journal is found; run: "
                + "systemd-machine-id-setup"
        }
        return "there is no journal of this machine in \(paths.joined(separator: " or ")); is "
            + "systemd-journald running? does Storage= in journald.conf let it store anything?"
            + (strangers ?? "")
    }

    /// Why nothing new can be read, where nobody writes, with the remedy.
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

    /// Names the journals of other machines that are there: a container that is to read its host's
    /// has another ID than that. Nil where there are none.
    private static var strangers: String? {
        let own = machineID ?? ""
        let ids = paths.flatMap { Directory.entries(of: FilePath($0)).map(\.string) }
            .filter { $0 != own && $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) }
        guard let other = ids.min() else { return nil }
        return "; there is a journal of another machine, \(other): in a container that reads its "
            + "host's journal, \(machineFile) must be the host's, too, and is \(PrintableText.of(own))"
    }

    /// Whether somebody has a journal of this machine open for writing, as journald has as long as
    /// it stores anything, in whatever container it runs; nil where nobody can tell.
    static func isWritten() -> Bool? {
        var answers: [Bool?] = []
        for directory in machineDirectories.map({ FilePath($0) }) {
            // What is archived has an '@' in its name.
            for name in Directory.entries(of: directory)
            where name.string.hasSuffix(".journal") && !name.string.contains("@") {
                answers.append(WriteLease.find(directory.appending(name)))
            }
        }
        if answers.contains(true) { return true }
        return answers.contains(nil) ? nil : false
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
