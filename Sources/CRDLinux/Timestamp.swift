// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// Points in time as people and JSON read them.
public enum Timestamp {
    /// RFC 3339 in UTC with microseconds: `2026-11-23T00:09:02.000000Z` (gmtime_r(3)).
    public static func rfc3339(nanosecondsSince1970 nanoseconds: Int64) -> String {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        func digits(_ value: some BinaryInteger, _ width: Int) -> String {
            let text = String(Int(value))
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let date = [
            digits(parts.tm_year + 1900, 4), digits(parts.tm_mon + 1, 2), digits(parts.tm_mday, 2),
        ].joined(separator: "-")
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { digits($0, 2) }
            .joined(separator: ":")
        return "\(date)T\(clock).\(digits(rest / 1_000, 6))Z"
    }
}
