// SPDX-License-Identifier: GPL-3.0-or-later

/// Checks the names of journal fields (systemd.journal-fields(7)).
enum JournalFieldRule {
    private static let lengthMax = 64

    /// Known fields, for suggestions: those that systemd and other programs set, and (`trusted`)
    /// those that only journald can set.
    private static let known = [
        "MESSAGE", "MESSAGE_ID", "PRIORITY", "CODE_FILE", "CODE_LINE", "CODE_FUNC", "ERRNO",
        "INVOCATION_ID", "USER_INVOCATION_ID", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER",
        "SYSLOG_PID", "SYSLOG_TIMESTAMP", "SYSLOG_RAW", "DOCUMENTATION", "TID", "UNIT",
        "USER_UNIT",
    ]
    private static let trusted = [
        "_PID", "_UID", "_GID", "_COMM", "_EXE", "_CMDLINE", "_CAP_EFFECTIVE", "_AUDIT_SESSION",
        "_AUDIT_LOGINUID", "_SYSTEMD_CGROUP", "_SYSTEMD_SLICE", "_SYSTEMD_UNIT",
        "_SYSTEMD_USER_UNIT", "_SYSTEMD_USER_SLICE", "_SYSTEMD_SESSION", "_SYSTEMD_OWNER_UID",
        "_SYSTEMD_INVOCATION_ID", "_SELINUX_CONTEXT", "_SOURCE_REALTIME_TIMESTAMP",
        "_SOURCE_MONOTONIC_TIMESTAMP", "_BOOT_ID", "_MACHINE_ID", "_HOSTNAME", "_TRANSPORT",
        "_STREAM_ID", "_LINE_BREAK", "_NAMESPACE", "_RUNTIME_SCOPE", "_KERNEL_DEVICE",
        "_KERNEL_SUBSYSTEM", "_UDEV_SYSNAME", "_UDEV_DEVNODE", "_UDEV_DEVLINK",
    ]

    /// Returns what is wrong with a field's name, to follow the quoted name; nil for a valid name.
    static func objection(to name: String) -> String? {
        let bytes = name.utf8
        guard let first = bytes.first else { return "is empty" }
        let isSpelledRight = bytes.allSatisfy {
            (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || isDigit($0)
                || $0 == UInt8(ascii: "_")
        }
        guard isSpelledRight, !isDigit(first) else {
            return "is not a valid field name; use A-Z, 0-9 and '_'"
                + advice(for: name)
        }
        if name.hasPrefix("__") {
            return "is the entry's address, which cannot be matched; fields begin with one '_' or "
                + "none"
        }
        if bytes.count > lengthMax {
            return "is longer than the \(lengthMax) bytes that a field may have"
        }
        // Programs may define fields of their own, but journald drops those that begin with '_'.
        if first == UInt8(ascii: "_"), !trusted.contains(name),
            let nearest = nearest(to: name, among: trusted)
        {
            return "is unknown; did you mean \"\(nearest)\"?"
        }
        return nil
    }

    /// Returns what is doubtful about a valid field name, to follow the quoted name; nil if nothing
    /// is.
    static func warning(about name: String) -> String? {
        if trusted.contains("_\(name)"), !known.contains(name) {
            return
                "is a field that systemd does not write, though a program may make it up; "
                + "journald's own field is '_\(name)'"
        }
        guard name.hasPrefix("_"), !trusted.contains(name), known.contains(String(name.dropFirst()))
        else { return nil }
        return "is a field that only journald could write, and journald does not write it; use "
            + "'\(name.dropFirst())' instead"
    }

    private static func advice(for name: String) -> String {
        nearest(to: name, among: known + trusted).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    private static func nearest(to name: String, among candidates: [String]) -> String? {
        let lowered = candidates.map { $0.lowercased() }
        guard let found = Spelling.nearest(to: name, among: lowered),
            let index = lowered.firstIndex(of: found)
        else { return nil }
        return candidates[index]
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
