// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// Something with a descriptor that turns readiness into core events.
public protocol EventSource: AnyObject {
    var descriptor: CInt { get }
    /// The conditions to wait for.
    var interest: Interest { get }
    /// Nothing more will come; the reactor removes the source after the drain that noticed it.
    var isFinished: Bool { get }
    /// Reads until `EAGAIN` or until its share of this turn is used up, and appends events. Makes
    /// no decisions.
    func drain(into events: inout [Event]) throws(SystemCallError)
}

extension EventSource {
    public var interest: Interest { .readable }
    public var isFinished: Bool { false }
}
