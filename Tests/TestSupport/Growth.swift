// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux

/// How work grows with what it is done on.
public enum Growth {
    /// Ten times as much takes ten times as long, and a hundred times where each looks at all: this is
    /// between, as far from either as can be.
    public static let limit = 32.0

    /// How many times as much processor time the work takes for ten times as many.
    ///
    /// - Parameter work: does it for so many, and returns the nanoseconds that counted (`cost`).
    public static func ratio(
        for count: Int, _ work: (Int) throws -> Int64
    ) rethrows -> Double {
        // The least of several: what else the machine does only adds.
        func least(_ count: Int) throws -> Int64 {
            try (0..<5).map { _ in try work(count) }.min() ?? 0
        }
        return Double(try least(10 * count)) / Double(max(try least(count), 1))
    }

    /// Nanoseconds that this thread worked on it.
    public static func cost(_ work: () throws -> Void) rethrows -> Int64 {
        let before = Clock.threadNanoseconds
        try work()
        return Clock.threadNanoseconds - before
    }
}
