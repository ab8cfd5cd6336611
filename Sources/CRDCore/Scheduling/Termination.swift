// SPDX-License-Identifier: GPL-3.0-or-later

/// How a process ended (wait(2)).
public enum Termination: Hashable, Sendable, CustomStringConvertible {
    /// It exited with this code.
    case exited(UInt8)
    /// A signal with this number ended it.
    case signaled(Int32)
    /// The daemon ended it because it exceeded its timeout, whatever its exit status.
    case timedOut
    /// The daemon ended it because the daemon stops.
    case stopped

    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signaled(let signal): "signal \(signal)"
        case .timedOut: "timeout"
        case .stopped: "end of the daemon"
        }
    }

    /// What an executable did, to follow its name: "timed out".
    public var predicate: String {
        switch self {
        case .exited, .signaled: "ended with \(self)"
        case .timedOut: "timed out"
        case .stopped: "was ended with the daemon"
        }
    }
}
