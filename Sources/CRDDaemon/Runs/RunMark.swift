// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// The content of a process's mark (`ProcessMark`): the daemon's life and the run for which it was
/// started, and whether it may outlive that run.
///
/// A process keeps its mark even if it clears its environment and loses its parents.
struct RunMark: Equatable {
    /// One life of a daemon, in 30 random bits. Other lives differ, even those with the same state
    /// directory, or with one of the same name in a container.
    struct Life: Equatable, Codable {
        fileprivate let bits: UInt64

        static func random() -> Life { Life(bits: .random(in: 0..<1 << 30)) }
    }

    let life: Life
    /// Whether the process belongs to a response that may leave it behind.
    let mayStay: Bool
    /// See `number(of:)`.
    let run: UInt64

    /// Above the run number: a process that lowers its mark cannot set this bit.
    private static let stayBit: UInt64 = 1 << 31
    private static let runMask: UInt64 = stayBit - 1

    init(life: Life, mayStay: Bool, run: UInt64) {
        self.life = life
        self.mayStay = mayStay
        self.run = run & Self.runMask
    }

    /// Returns a run's number, as far as a mark has room for it.
    static func number(of run: Run) -> UInt64 { run.number & runMask }

    /// Fails if the limit is not the mark of a run of that life.
    init?(_ limit: UInt64?, life: Life) {
        guard let limit, limit >> 32 == life.bits | Self.markBit else { return nil }
        self.init(life: life, mayStay: limit & Self.stayBit != 0, run: limit)
    }

    /// Keeps marks from being 0; the highest bit stays clear, since some programs show limits as
    /// signed.
    private static let markBit: UInt64 = 1 << 30

    var processMark: ProcessMark {
        ProcessMark(
            rawValue: (life.bits | Self.markBit) << 32 | (mayStay ? Self.stayBit : 0) | run)
    }
}
