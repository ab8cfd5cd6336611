// SPDX-License-Identifier: GPL-3.0-or-later

/// A module's trigger that cannot be watched.
public struct Deafness: Hashable, Sendable {
    /// What cannot be watched, why not, and what to do.
    public let reason: String
    /// Whether the module is checked at least every `Scheduler.pollPeriod` in the meantime. A
    /// module without an interval is not: its manifest asks for no timer.
    public let isPolled: Bool

    public init(reason: String, isPolled: Bool) {
        self.reason = reason
        self.isPolled = isPolled
    }
}
