// SPDX-License-Identifier: GPL-3.0-or-later

/// The fault of a module, if any. Each change is logged.
public enum Health: Hashable, Sendable {
    case well
    /// The check ended in a way that means neither yes nor no.
    case erring(Termination)
    /// The module cannot be started.
    case failed(reason: String)
    /// A process of its last run survives SIGKILL. Where the kernel refused the signal, the reason
    /// says why and what to do. Without a reason, the kernel took it but has not ended the process.
    case stuck(reason: String?)
}
