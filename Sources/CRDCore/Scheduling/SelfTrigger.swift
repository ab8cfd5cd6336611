// SPDX-License-Identifier: GPL-3.0-or-later

/// A module that seems to trigger itself.
public struct SelfTrigger: Hashable, Sendable {
    /// The cause of the triggers that its own runs produce.
    public let cause: Cause
    /// The variables of the newest event.
    public let variables: [TriggerEvent.Variable]
    /// How many runs in a row had no other cause.
    public let count: Int
    /// The longest pause before its own triggers start another run.
    public let longest: Duration
}
