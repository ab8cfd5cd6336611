// SPDX-License-Identifier: GPL-3.0-or-later

/// When a module's timer next causes a check.
struct IntervalTimer {
    /// Nil for a module that only triggers cause to be checked.
    private(set) var due: Instant?

    mutating func start(_ interval: Duration?, at now: Instant) {
        due = interval.map { now + $0 }
    }

    /// Restarts it with another interval. Elapsed time counts, so that frequent edits cannot
    /// postpone the check for ever.
    mutating func restart(_ interval: Duration?, after former: Duration?, at now: Instant) {
        guard let interval, let due, let former else { return start(interval, at: now) }
        let begun = Instant(nanoseconds: due.nanoseconds - former.nanoseconds)
        self.due = max(now, begun + interval)
    }

    mutating func stop() {
        due = nil
    }

    /// Moves the deadline past `now`.
    mutating func skipElapsed(_ interval: Duration?, at now: Instant) {
        guard let due, due <= now, let interval else { return }
        self.due = due.next(every: interval, after: now)
    }
}

extension Instant {
    /// Returns the first deadline after `now`; missed periods are not made up.
    func next(every period: Duration, after now: Instant) -> Instant {
        let periods = duration(to: now).nanoseconds / period.nanoseconds + 1
        return Instant(nanoseconds: nanoseconds + periods * period.nanoseconds)
    }
}
