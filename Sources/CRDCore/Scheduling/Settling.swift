// SPDX-License-Identifier: GPL-3.0-or-later

/// The triggers of a module that no run was started for, of which more may follow.
struct Settling {
    /// Settling ends after so many times `settle`, even if triggers continue to come.
    private static let periodsMax = 10

    private var first: Instant
    private var latest: Instant

    init(at now: Instant) {
        (first, latest) = (now, now)
    }

    mutating func extend(at now: Instant) {
        latest = now
    }

    /// Returns when no trigger will have come for the time `settle`, or when it has taken too long.
    func end(_ settle: Duration) -> Instant {
        min(latest + settle, first + settle * Self.periodsMax)
    }
}
