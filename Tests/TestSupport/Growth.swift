// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux

/// How work grows with its input.
public enum Growth {
    /// Linear work takes ten times as long for ten times as much, quadratic work a hundred times:
    /// this is halfway, as far from either as can be.
    public static let limit = 32.0

    /// The factor by which processor time grows for ten times as many.
    ///
    /// - Parameter work: works on so many, and returns the nanoseconds that count (`cost`).
    public static func ratio(
        for count: Int, _ work: (Int) throws -> Int64
    ) rethrows -> Double {
        // The least of several: other load on the machine only adds.
        func least(_ count: Int) throws -> Int64 {
            try (0..<5).map { _ in try work(count) }.min() ?? 0
        }
        return Double(try least(10 * count)) / Double(max(try least(count), 1))
    }

    /// Processor time of this thread in nanoseconds.
    public static func cost(_ work: () throws -> Void) rethrows -> Int64 {
        let before = Clock.threadNanoseconds
        try work()
        return Clock.threadNanoseconds - before
    }
}
