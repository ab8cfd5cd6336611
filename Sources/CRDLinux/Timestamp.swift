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
        // Made for each turn in which something happened, on the way to a check: no formatter.
        var text: [UInt8] = []
        text.reserveCapacity(27)
        func append(_ value: some BinaryInteger, _ width: Int, _ end: Unicode.Scalar) {
            var rest = Int(value)
            let begin = text.count
            text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: width))
            for place in (begin..<begin + width).reversed() {
                text[place] += UInt8(rest % 10)
                rest /= 10
            }
            text.append(UInt8(ascii: end))
        }
        append(parts.tm_year + 1900, 4, "-")
        append(parts.tm_mon + 1, 2, "-")
        append(parts.tm_mday, 2, "T")
        append(parts.tm_hour, 2, ":")
        append(parts.tm_min, 2, ":")
        append(parts.tm_sec, 2, ".")
        append(rest / 1_000, 6, "Z")
        return String(decoding: text, as: UTF8.self)
    }
}
