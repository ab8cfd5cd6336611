// SPDX-License-Identifier: GPL-3.0-or-later

/// syslog's severities, as the journal's `PRIORITY` counts them (syslog(3)).
public enum LogPriority: UInt8, Comparable, Sendable {
    case emergency, alert, critical, error, warning, notice, info, debug

    /// By the names that journalctl(1) knows, in the order of the numbers.
    private static let names = [
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
    ]

    var name: String { Self.names[Int(rawValue)] }

    init?(named name: String) {
        guard let number = Self.names.firstIndex(of: name.lowercased()) else { return nil }
        self.init(rawValue: UInt8(number))
    }

    /// Takes a leading `<3>` off a line, as services of systemd write it (sd-daemon(3)).
    public static func strip(from line: inout [UInt8]) -> LogPriority? {
        guard line.count >= 3, line[0] == UInt8(ascii: "<"), line[2] == UInt8(ascii: ">"),
            let priority = LogPriority(rawValue: line[1] &- UInt8(ascii: "0"))
        else { return nil }
        line.removeFirst(3)
        return priority
    }

    public static func < (left: LogPriority, right: LogPriority) -> Bool {
        left.rawValue < right.rawValue
    }
}
