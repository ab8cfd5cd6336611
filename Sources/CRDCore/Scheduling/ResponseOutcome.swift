// SPDX-License-Identifier: GPL-3.0-or-later

/// How a response ended, or why it did not start.
public enum ResponseOutcome: Hashable, Sendable {
    case ended(Termination, after: Duration)
    /// The response could not be started.
    case unable(reason: String)
    /// The response is still being written, so the whole run is repeated.
    case notReady(reason: String)
}

extension ResponseOutcome: CustomStringConvertible {
    public var description: String {
        switch self {
        case .ended(let termination, _): "\(termination)"
        case .unable(let reason), .notReady(let reason): reason
        }
    }
}
