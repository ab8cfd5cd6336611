// SPDX-License-Identifier: GPL-3.0-or-later

extension Duration {
    /// The whole span in nanoseconds. The core's spans are far below the 292 years that fit.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// Whole microseconds.
    var microseconds: Int64 { nanoseconds / 1_000 }

    /// Rounded for display: to milliseconds below a minute, else to seconds.
    public var rounded: Duration {
        let unit: Int64 = self < .seconds(60) ? 1_000_000 : 1_000_000_000
        return .nanoseconds((nanoseconds + unit / 2) / unit * unit)
    }
}
