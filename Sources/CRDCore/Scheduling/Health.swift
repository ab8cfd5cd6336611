// SPDX-License-Identifier: GPL-3.0-or-later

/// What is wrong with a module, if anything. The log gets a line when it changes.
public enum Health: Hashable, Sendable {
    case well
    /// Its check ended in a way that says neither yes nor no.
    case erring(Termination)
    /// It cannot be started.
    case failed(reason: String)
    /// A process of its last run survives SIGKILL. The reason says why, and what to do, where the
    /// kernel refused the signal; without one the kernel has taken it and cannot end the process yet.
    case stuck(reason: String?)
}
