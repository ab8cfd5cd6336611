// SPDX-License-Identifier: GPL-3.0-or-later

/// A time span as written in a file: `30s`, `1h 30min`, `1.5h` (systemd.time(7)).
public struct TimeSpan: Hashable, Sendable, CustomStringConvertible {
    public var duration: Duration

    public init(_ duration: Duration) {
        self.duration = duration
    }

    /// Parses a time span. A number without a unit is in seconds. Months and years are systemd's: a
    /// year is 365.25 days, a month a twelfth of that.
    init(parsing text: String) throws(QuantityScanner.Malformed) {
        var scanner = QuantityScanner(text)
        var total: Int64 = 0
        repeat {
            total = try QuantityScanner.sum(total, scanner.next(size: Self.nanoseconds(in:)))
        } while !scanner.isAtEnd
        duration = .nanoseconds(total)
    }

    /// The span by units, largest first, without those that are zero: `1min 30s`. Fractions of a
    /// microsecond are left out.
    public var description: String {
        var rest = duration.nanoseconds.magnitude / 1000
        if rest == 0 { return "0s" }
        var parts: [String] = []
        for (name, microseconds) in Self.written where rest >= microseconds {
            parts.append("\(rest / microseconds)\(name)")
            rest %= microseconds
        }
        return (duration < .zero ? "-" : "") + parts.joined(separator: " ")
    }

    /// The units used for display. The month is not among them: hardly anyone means 30.44 days by
    /// it.
    private static let written: [(name: String, microseconds: UInt64)] = [
        ("y", 31_557_600_000_000), ("w", 604_800_000_000), ("d", 86_400_000_000),
        ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1),
    ]

    private static func nanoseconds(in unit: String) -> Int64? {
        switch unit {
        case "usec", "us", "\u{B5}s", "\u{3BC}s": 1000
        case "msec", "ms": 1_000_000
        case "seconds", "second", "sec", "s", "": 1_000_000_000
        case "minutes", "minute", "min", "m": 60_000_000_000
        case "hours", "hour", "hr", "h": 3_600_000_000_000
        case "days", "day", "d": 86_400_000_000_000
        case "weeks", "week", "w": 604_800_000_000_000
        case "months", "month", "M": 2_629_800_000_000_000
        case "years", "year", "y": 31_557_600_000_000_000
        default: nil
        }
    }
}

extension Duration {
    /// The bounds of any span that must not be zero. A shorter one would only spin; below the
    /// longest (a year), sums stay far from overflow.
    static let shortest = Duration.milliseconds(1)
    static let longest = Duration.seconds(31_557_600)
}
