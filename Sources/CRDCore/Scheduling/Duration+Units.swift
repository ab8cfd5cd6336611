// SPDX-License-Identifier: GPL-3.0-or-later

extension Duration {
    /// The whole span in nanoseconds; the core deals in spans far below the 292 years that fit.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// Whole microseconds.
    var microseconds: Int64 { nanoseconds / 1_000 }

    /// To what people read: milliseconds below a minute, else seconds.
    public var rounded: Duration {
        let unit: Int64 = self < .seconds(60) ? 1_000_000 : 1_000_000_000
        return .nanoseconds((nanoseconds + unit / 2) / unit * unit)
    }

    /// The bounds of any span that must not be nought. What is shorter would only spin; with what is
    /// longer, sums stay far from overflow.
    static let shortest = Duration.milliseconds(1)
    static let longest = Duration.seconds(31_557_600)
}
