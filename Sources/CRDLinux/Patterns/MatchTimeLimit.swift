// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// The time limit of a match, checked before each item of its pattern.
struct MatchTimeLimit {
    /// Nanoseconds of this thread's processor time: on a busy machine, an honest line would
    /// otherwise be aborted for time that other processes used.
    private static let timeMax: Int64 = 5_000_000
    /// Reading the clock takes as long as three callouts; one item may take as long as a pass
    /// through the line.
    private static let calloutsPerLook = 8

    private var calloutsLeft = calloutsPerLook
    private var allowance: (end: Int64, lookAgainAt: Instant)?

    mutating func isTimeUp() -> Bool {
        calloutsLeft -= 1
        if calloutsLeft > 0 { return false }
        calloutsLeft = Self.calloutsPerLook
        return readClocks()
    }

    /// Reads the clocks. The thread's time needs a system call, so it is not read before that much
    /// real time has passed.
    private mutating func readClocks() -> Bool {
        let now = Clock.now
        if let allowance, now < allowance.lookAgainAt { return false }
        let used = Clock.threadNanoseconds
        let end = allowance?.end ?? used + Self.timeMax
        allowance = (end, now + .nanoseconds(end - used))
        return used >= end
    }
}
