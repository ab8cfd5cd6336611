// SPDX-License-Identifier: GPL-3.0-or-later

/// The state of a module at one moment, for display.
public struct ModuleStatus: Sendable {
    public let name: ModuleName
    public let phase: Phase
    public let health: Health
    /// Nil while all triggers are watched.
    public let deafness: Deafness?
    /// When the timer next causes a check.
    public let nextInterval: Instant?
    /// How many events wait for the next run, dropped ones included.
    public let pendingCount: Int
    /// How many runs have ended since the daemon started, and how many of them had a response.
    public let runs: Int
    public let responses: Int
    public let last: Conclusion?
    public let lastEnded: Instant?
}
