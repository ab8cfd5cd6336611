// SPDX-License-Identifier: GPL-3.0-or-later

/// Finds values that are well-formed, but that no journal entry can have, and suggests what to
/// write instead (systemd.journal-fields(7)).
enum JournalAdvice {
    /// Returns why no entry can have the value, as the end of a warning; nil where an entry can.
    static func objection(to value: String, of field: String) -> String? {
        if let suffix = units[field] { return objection(toUnit: value, suffix, of: field) }
        if field == "PRIORITY" { return objection(toPriority: value) }
        if numbers.contains(field), value.isEmpty || !value.utf8.allSatisfy(isDigit) {
            return "the journal has a number there; write \(number(for: value, of: field))"
        }
        guard identifiers.contains(field), let plain = identifier(value), plain != value else {
            return nil
        }
        return "the journal has 32 hexadecimal digits there, without dashes; write "
            + QuotedText.double(plain)
    }

    // MARK: Units

    /// Fields that hold a unit's name, with the suffix that most of them have.
    private static let units = [
        "_SYSTEMD_UNIT": ".service", "_SYSTEMD_USER_UNIT": ".service", "UNIT": ".service",
        "USER_UNIT": ".service", "OBJECT_SYSTEMD_UNIT": ".service", "COREDUMP_UNIT": ".service",
        "_SYSTEMD_SLICE": ".slice", "_SYSTEMD_USER_SLICE": ".slice",
    ]
    /// Fields that the manifest's key `unit` covers.
    private static let systemUnits: Set<String> = [
        "_SYSTEMD_UNIT", "UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT",
    ]

    private static func objection(
        toUnit value: String, _ suffix: String, of field: String
    ) -> String? {
        let isSystems = systemUnits.contains(field)
        if UnitPattern.isGlob(value) {
            return "'match' compares strings literally, glob characters included; "
                + (isSystems ? "use unit = \(QuotedText.double(value))" : "write each name")
        }
        if UnitName.isTemplate(value) { return templateObjection(value, isSystems) }
        guard !UnitName.hasSuffix(value) else { return nil }
        return "a unit's name has a suffix there; write \(QuotedText.double(value + suffix))"
            + (isSystems ? ", or use unit = \(QuotedText.double(value))" : "")
    }

    private static func templateObjection(_ value: String, _ isSystems: Bool) -> String {
        "a template does not run, its instances do; "
            + (isSystems
                ? "use unit = \(QuotedText.double(UnitName.instances(of: value)))"
                : "write the name of an instance")
    }

    // MARK: Numbers

    private static let numbers: Set<String> = [
        "_PID", "_UID", "_GID", "_AUDIT_SESSION", "_AUDIT_LOGINUID", "_SYSTEMD_OWNER_UID",
        "SYSLOG_FACILITY", "ERRNO", "TID", "COREDUMP_UID", "COREDUMP_GID", "COREDUMP_PID",
    ]
    /// In the order of their numbers (syslog(3)).
    private static let facilities = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
        "authpriv", "ftp",
    ]

    private static func number(for value: String, of field: String) -> String {
        switch field {
        case "_UID" where value == "root", "_GID" where value == "root": "\"0\""
        case let name where name.hasSuffix("UID"): "what id -u prints for that user"
        case "_GID": "the number that getent group prints for that group"
        case "SYSLOG_FACILITY":
            facilities.firstIndex(of: value.lowercased()).map { "\"\($0)\"" }
                ?? "a facility's number (syslog(3))"
        default: "digits alone"
        }
    }

    private static func objection(toPriority value: String) -> String? {
        if value.utf8.count == 1, let digit = value.utf8.first, (0x30...0x37).contains(digit) {
            return nil
        }
        guard let priority = LogPriority(named: value) else {
            return "the journal has a number from 0 to 7 there; write one, or use 'priority'"
        }
        return "the journal has a number there; write \"\(priority.rawValue)\", or use priority = "
            + "\"\(priority.name)\", which also matches more severe entries"
    }

    // MARK: Identifiers

    private static let identifiers: Set<String> = [
        "MESSAGE_ID", "INVOCATION_ID", "USER_INVOCATION_ID", "_BOOT_ID", "_MACHINE_ID",
        "_SYSTEMD_INVOCATION_ID", "_STREAM_ID",
    ]

    /// Returns an ID in the form that the journal uses; nil for a text that is not an ID in any
    /// form.
    private static func identifier(_ value: String) -> String? {
        let digits = value.lowercased().utf8.filter { $0 != UInt8(ascii: "-") }
        let isHexadecimal = digits.allSatisfy { isDigit($0) || (0x61...0x66).contains($0) }
        return digits.count == 32 && isHexadecimal ? String(decoding: digits, as: UTF8.self) : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
