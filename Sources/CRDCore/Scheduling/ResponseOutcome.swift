// SPDX-License-Identifier: GPL-3.0-or-later

public enum ResponseOutcome: Hashable, Sendable {
    case ended(Termination, after: Duration)
    /// It could not be started.
    case unable(reason: String)
    /// It is still being written, so that the whole run is made once more.
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
