// SPDX-License-Identifier: GPL-3.0-or-later

/// A module's trigger that cannot be watched.
public struct Deafness: Hashable, Sendable {
    /// What cannot be watched, why not, and what to do.
    public let reason: String
    /// Whether the module is checked every `Scheduler.pollPeriod` or less in the meantime. One
    /// with triggers alone is not: it said that it wants no timer.
    public let isPolled: Bool

    public init(reason: String, isPolled: Bool) {
        self.reason = reason
        self.isPolled = isPolled
    }
}
