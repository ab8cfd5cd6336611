// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// Why the journal cannot be read, or gets no new entries, with the remedy.
enum JournalOutage {
    /// Returns why the journal cannot be read, with the remedy; nil if it can.
    static func objection() -> String? {
        if let refusal = refusal() { return refusal }
        guard JournalRoots.presentDirectories.isEmpty else { return nil }
        guard JournalRoots.machineID != nil else {
            return
                "\(JournalRoots.machineFile) contains no ID, which is needed to find this machine's journal; run: "
                + "systemd-machine-id-setup"
        }
        return
            "there is no journal for this machine in \(JournalRoots.paths.joined(separator: " or ")); is "
            + "systemd-journald running? does Storage= in journald.conf let it store anything?"
            + (strangers ?? "")
    }

    /// Returns why no new entries can be read when nothing writes any, with the remedy.
    static func silence() -> String {
        if let journald = try? Journald.find() {
            return "systemd-journald, process \(journald), stores nothing that can be read: set "
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
        let own = JournalRoots.machineID ?? ""
        let ids = JournalRoots.paths.flatMap { Directory.entries(of: FilePath($0)).map(\.string) }
            .filter { $0 != own && $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) }
        guard let other = ids.min() else { return nil }
        return "; there is a journal of another machine, \(other): in a container that reads its "
            + "host's journal, \(JournalRoots.machineFile) must also be the host's; here it is \(PrintableText.of(own))"
    }

    /// Returns why the journal may not be read; nil if it may, or if there is none.
    static func refusal() -> String? {
        for directory in JournalRoots.presentDirectories {
            for path in [directory, "\(directory)/system.journal"] {
                if access(path, R_OK) != 0 && errno == EACCES {
                    return "the journal '\(path)' cannot be read: Permission denied; run crd as "
                        + "root, or add SupplementaryGroups=systemd-journal to its service"
                }
            }
        }
        return nil
    }
}
