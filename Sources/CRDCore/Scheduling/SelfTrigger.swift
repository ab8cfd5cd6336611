// SPDX-License-Identifier: GPL-3.0-or-later

/// What a module seems to do to itself.
public struct SelfTrigger: Hashable, Sendable {
    /// How its own runs come to trigger it.
    public let cause: Cause
    /// The newest of the events.
    public let variables: [TriggerEvent.Variable]
    /// How many runs in a row were caused by nothing else.
    public let count: Int
    /// How long its own triggers wait, at the most.
    public let longest: Duration
}
