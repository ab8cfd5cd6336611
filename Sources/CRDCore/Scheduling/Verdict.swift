// SPDX-License-Identifier: GPL-3.0-or-later

/// What the end of a check says about the condition.
enum Verdict: Hashable, Sendable {
    case holds
    case clear
    /// The check has been cut short by the daemon's end, and says nothing.
    case open
    /// The check ended in a way that means neither yes nor no.
    case error(Termination)
}
