// SPDX-License-Identifier: GPL-3.0-or-later

/// What can be told of a module at one moment.
public struct ModuleStatus: Sendable {
    public let name: ModuleName
    public let phase: Phase
    public let health: Health
    /// Nil while all triggers are watched.
    public let deafness: Deafness?
    /// When the timer comes for it next.
    public let nextInterval: Instant?
    /// Events that wait for the next run, those that found no room included.
    public let pendingCount: Int
    /// Runs that have ended since the daemon started, and how many of them had a response.
    public let runs: Int
    public let responses: Int
    public let last: Conclusion?
    public let lastEnded: Instant?
}
