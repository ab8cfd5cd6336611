// SPDX-License-Identifier: GPL-3.0-or-later

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
    /// `EPOLLET`: reports once that the descriptor has become ready, not for as long as it is.
    public static let edge = Interest(rawValue: 8)
    /// `EPOLLPRI`, by which kernfs reports a change of a file.
    public static let changed = Interest(rawValue: 4)
}
