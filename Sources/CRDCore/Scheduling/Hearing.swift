// SPDX-License-Identifier: GPL-3.0-or-later

/// Which of a module's triggers cannot be watched (G9), and when to try again.
struct Hearing {
    /// Why they cannot be watched, by cause.
    private var faults: [Cause: String] = [:]
    /// While deaf: when to try again to watch, and to check meanwhile.
    private(set) var due: Instant?

    var isDeaf: Bool { !faults.isEmpty }

    /// What cannot be watched, and why; nil while everything is.
    var reason: String? {
        guard isDeaf else { return nil }
        return Cause.allCases.compactMap { faults[$0] }.joined(separator: "; ")
    }

    /// Records that triggers of this cause cannot be watched.
    ///
    /// - Returns: whether they could be until now.
    mutating func lose(
        _ cause: Cause, _ reason: String, retryEvery period: Duration, at now: Instant
    ) -> Bool {
        if !isDeaf { due = now + period }
        return faults.updateValue(reason, forKey: cause) == nil
    }

    /// Records that triggers of this cause are watched again.
    ///
    /// - Returns: whether they could not be until now.
    mutating func regain(_ cause: Cause) -> Bool {
        guard faults.removeValue(forKey: cause) != nil else { return false }
        if !isDeaf { due = nil }
        return true
    }

    /// Restarts the time until the next attempt, which has another period now.
    mutating func restart(every period: Duration, at now: Instant) {
        if isDeaf { due = now + period }
    }

    /// Schedules the next attempt, once this one is due.
    ///
    /// - Returns: whether it is due.
    mutating func passDue(every period: Duration, at now: Instant) -> Bool {
        guard let due, due <= now else { return false }
        self.due = due.next(every: period, after: now)
        return true
    }
}
