// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// What the mark of a process says of it (`ProcessMark`): in which life of the daemon it was started,
/// for which run, and whether it may outlive that run.
///
/// A process may clear its environment and lose its parents, and keeps its mark.
struct RunMark: Equatable {
    /// One life of a daemon, in 30 random bits: those of others differ, be it on the same state
    /// directory, or in a container with one of the same name.
    struct Life: Equatable, Codable {
        fileprivate let bits: UInt64

        static func random() -> Life { Life(bits: .random(in: 0..<1 << 30)) }
    }

    let life: Life
    /// Whether the process belongs to a response that may leave it behind.
    let mayStay: Bool
    /// See `number(of:)`.
    let run: UInt64

    /// Above the numbers of runs: a process that lowers its mark never gets it.
    private static let stayBit: UInt64 = 1 << 31
    private static let runMask: UInt64 = stayBit - 1

    init(life: Life, mayStay: Bool, run: UInt64) {
        self.life = life
        self.mayStay = mayStay
        self.run = run & Self.runMask
    }

    /// A run's number, as far as a mark has room for it.
    static func number(of run: Run) -> UInt64 { run.number & runMask }

    /// Nil for a limit that is not the mark of a run of that life.
    init?(_ limit: UInt64?, life: Life) {
        guard let limit, limit >> 32 == life.bits | Self.markBit else { return nil }
        self.init(life: life, mayStay: limit & Self.stayBit != 0, run: limit)
    }

    /// Marks are never 0; and the highest bit stays clear, since some programs show limits as signed.
    private static let markBit: UInt64 = 1 << 30

    var processMark: ProcessMark {
        ProcessMark(
            rawValue: (life.bits | Self.markBit) << 32 | (mayStay ? Self.stayBit : 0) | run)
    }
}
