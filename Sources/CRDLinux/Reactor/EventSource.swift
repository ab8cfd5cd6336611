// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// Something with a descriptor that turns readiness into core events.
public protocol EventSource: AnyObject {
    var descriptor: CInt { get }
    /// What to wait for.
    var interest: Interest { get }
    /// Nothing will come any more; the reactor lets go of it after the drain that found out.
    var isFinished: Bool { get }
    /// Reads until `EAGAIN` or its share of this turn is used up, appending what it saw. Decides
    /// nothing.
    func drain(into events: inout [Event]) throws(SystemCallError)
}

extension EventSource {
    public var interest: Interest { .readable }
    public var isFinished: Bool { false }
}
