// SPDX-License-Identifier: GPL-3.0-or-later

/// The outcome of a run.
public struct Conclusion: Sendable {
    public let number: UInt64
    public let cause: Cause
    public let check: Termination
    public let checkDuration: Duration
    /// Nil where the check did not call for a response.
    public let response: ResponseOutcome?
}

extension Conclusion {
    /// Whether there was a response that ended by itself.
    public var isResponded: Bool {
        switch response {
        case .ended(.exited, _), .ended(.signaled, _): true
        default: false
        }
    }

    /// Whether there was a response, and it failed.
    public var hasFailedResponse: Bool {
        switch response {
        case nil, .ended(.exited(0), _), .notReady: false
        default: true
        }
    }

    /// Why the whole run is repeated; nil where it is not.
    var notReadyReason: String? {
        if case .notReady(let reason) = response { reason } else { nil }
    }
}
