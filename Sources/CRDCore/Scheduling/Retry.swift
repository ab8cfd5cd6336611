// SPDX-License-Identifier: GPL-3.0-or-later

/// Attempts to start a run that could not be started.
struct Retry {
    /// How often in a row an executable may be found to be still written to.
    private static let notReadyMax = 30

    /// How often in a row the check could not be started.
    private var failures = 0
    /// How often in a row an executable was still being written.
    private var waits = 0
    /// When to try again.
    private(set) var due: Instant?
    /// The cause of the next attempt.
    private(set) var cause = Cause.interval

    /// Schedules a retry after a failed start. The delay doubles each time, from one second up to
    /// `longest`.
    ///
    /// - Returns: when it is due.
    mutating func postpone(_ run: Run, longest: Duration, at now: Instant) -> Instant {
        let backoff = Duration.seconds(1 << min(failures, 20))
        failures += 1
        return schedule(run, at: now + min(backoff, longest))
    }

    /// Schedules a retry one second later, since an executable is still being written.
    ///
    /// - Returns: when it is due, and whether the executable has been written to for too long.
    mutating func wait(for run: Run, at now: Instant) -> (due: Instant, isTooLong: Bool) {
        waits += 1
        return (schedule(run, at: now + .seconds(1)), waits > Self.notReadyMax)
    }

    private mutating func schedule(_ run: Run, at due: Instant) -> Instant {
        self.due = due
        // Events that were put back cause a run by themselves.
        cause = run.events.isEmpty ? run.cause : .interval
        return due
    }

    /// Makes a scheduled retry due at once.
    ///
    /// - Returns: whether there was one.
    mutating func hasten(at now: Instant) -> Bool {
        (failures, waits) = (0, 0)
        guard due != nil else { return false }
        due = now
        return true
    }

    /// Cancels the retry, once it is due.
    ///
    /// - Returns: its cause; nil if it is not due.
    mutating func passDue(at now: Instant) -> Cause? {
        guard let due, due <= now else { return nil }
        self.due = nil
        return cause
    }

    /// Cancels the retry, since a run begins.
    mutating func cancel() {
        due = nil
    }

    /// The executable was started.
    mutating func recordStart() {
        failures = 0
        due = nil
    }

    /// Nothing was still being written.
    mutating func recordReadiness() {
        waits = 0
    }
}
