// SPDX-License-Identifier: GPL-3.0-or-later

/// The severities of syslog, numbered as in the journal's `PRIORITY` (syslog(3)).
public enum LogPriority: UInt8, Comparable, Sendable {
    case emergency, alert, critical, error, warning, notice, info, debug

    /// The names that journalctl(1) uses, in the order of the numbers.
    private static let names = [
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
    ]

    var name: String { Self.names[Int(rawValue)] }

    /// Parses a name, or a number, which journalctl(1) accepts too.
    init?(named name: String) {
        if let number = Self.names.firstIndex(of: name.lowercased()) {
            self.init(rawValue: UInt8(number))
        } else if name.utf8.count == 1, let number = Int64(name) {
            self.init(number: number)
        } else {
            return nil
        }
    }

    init?(number: Int64) {
        guard let value = UInt8(exactly: number) else { return nil }
        self.init(rawValue: value)
    }

    /// Removes and returns a leading `<3>` of a line, as systemd services write it (sd-daemon(3)).
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
