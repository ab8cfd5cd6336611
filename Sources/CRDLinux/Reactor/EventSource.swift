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

/// A source that may have more to do than it did in its turn, whatever its descriptor says.
public protocol BackloggedSource: EventSource {
    /// It must be drained again in the next turn.
    var hasBacklog: Bool { get }
}

/// The conditions of epoll_ctl(2) that a source waits for.
public struct Interest: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// `EPOLLIN`.
    public static let readable = Interest(rawValue: 1)
    /// `EPOLLOUT`.
    public static let writable = Interest(rawValue: 2)
    /// `EPOLLET`: tells once that it has become ready, not as long as it is.
    public static let edge = Interest(rawValue: 8)
    /// `EPOLLPRI`, as kernfs reports a change of a file.
    public static let changed = Interest(rawValue: 4)
}
