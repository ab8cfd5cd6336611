// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether a module's next run may start. A module's place in the queue, its deadline and its phase
/// follow from this.
enum Readiness: Hashable, Sendable {
    /// Why triggers alone do not start a run yet.
    enum Delay: Hashable, Sendable {
        /// More of them may follow.
        case settling
        /// The last run has ended a short time ago, could not be started, or seems to have caused
        /// them.
        case cooling
        /// Enough responses have begun within the limit's window.
        case limited
    }

    /// Why nothing starts a run.
    enum Obstacle: Hashable, Sendable {
        case disabled
        case failed
        case paused
    }

    /// There is no reason for a run.
    case idle
    case due(RunQueue.Lane, Cause)
    case waiting(until: Instant, Delay)
    case blocked(Obstacle)
}
