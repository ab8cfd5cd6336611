// SPDX-License-Identifier: GPL-3.0-or-later

/// A check and what follows it, in one slot.
public struct Run: Sendable {
    /// Counts the runs of this daemon's life.
    public let number: UInt64
    public let cause: Cause
    /// All that was pending when the check was spawned.
    public let events: PendingEvents
}
