// SPDX-License-Identifier: GPL-3.0-or-later

/// A check and the response that may follow it, in one slot.
public struct Run: Sendable {
    /// The run's number, counted from the start of the daemon.
    public let number: UInt64
    public let cause: Cause
    /// All events that were pending when the check was spawned.
    public let events: PendingEvents
}
