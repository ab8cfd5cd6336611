// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Says when a match has taken long enough, asked before each item of its pattern.
struct MatchTimeLimit {
    /// Nanoseconds of this thread's processor time: on a busy machine an honest line would
    /// otherwise be cut off for time that others had.
    private static let timeMax: Int64 = 5_000_000
    /// A look at the clock takes as long as three callouts, an item up to as long as it takes to go
    /// through the line once.
    private static let calloutsPerLook = 8

    private var calloutsLeft = calloutsPerLook
    private var allowance: (end: Int64, lookAgainAt: Instant)?

    mutating func isTimeUp() -> Bool {
        calloutsLeft -= 1
        if calloutsLeft > 0 { return false }
        calloutsLeft = Self.calloutsPerLook
        return look()
    }

    /// Reading the thread's time is a system call, so it is left until that much time has passed at
    /// all.
    private mutating func look() -> Bool {
        let now = Clock.now
        if let allowance, now < allowance.lookAgainAt { return false }
        let used = Clock.threadNanoseconds
        let end = allowance?.end ?? used + Self.timeMax
        allowance = (end, now + .nanoseconds(end - used))
        return used >= end
    }
}
