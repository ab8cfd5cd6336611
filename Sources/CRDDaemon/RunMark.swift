// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import SystemPackage

/// What the mark of a process says of it (`ProcessMark`): which state directory the daemon had that
/// started it, for which run, and whether it may outlive that run.
///
/// A process may clear its environment and lose its parents, and keeps its mark.
struct RunMark: Equatable {
    /// The daemons that have the same state directory one after the other, in 30 bits.
    struct Origin: Equatable {
        fileprivate let bits: UInt64

        /// By the directory itself: the same path in a container is another directory.
        init(stateDirectory: FilePath) {
            if let status = FileStatus(of: stateDirectory) {
                self.init(mixing: [status.device, status.inode])
            } else {
                self.init(mixing: stateDirectory.string.utf8.map(UInt64.init))
            }
        }

        /// FNV-1a, and the murmur3 finalizer so that all bits of the sum count.
        private init(mixing words: [UInt64]) {
            var sum: UInt64 = 0xcbf2_9ce4_8422_2325
            for word in words { sum = (sum ^ word) &* 0x100_0000_01b3 }
            sum = (sum ^ sum >> 33) &* 0xff51_afd7_ed55_8ccd
            bits = sum >> 34
        }
    }

    let origin: Origin
    /// Whether the process belongs to a response that may leave it behind.
    let mayStay: Bool
    /// See `number(of:)`.
    let run: UInt64

    private static let stayBit: UInt64 = 1 << 31
    private static let runMask: UInt64 = stayBit - 1

    init(origin: Origin, mayStay: Bool, run: UInt64) {
        self.origin = origin
        self.mayStay = mayStay
        self.run = run & Self.runMask
    }

    /// A run's number, as far as a mark has room for it.
    static func number(of run: Run) -> UInt64 { run.number & runMask }

    /// Nil for a process that no run of these daemons has started.
    init?(of pid: PID, origin: Origin) {
        guard let mark = ProcessMark(of: pid), mark.rawValue >> 32 == origin.bits | Self.markBit
        else { return nil }
        let isAllowed = mark.rawValue & Self.stayBit != 0
        self.init(origin: origin, mayStay: isAllowed, run: mark.rawValue)
    }

    /// Marks are never 0; and the highest bit stays clear, since some programs show limits as signed.
    private static let markBit: UInt64 = 1 << 30

    var processMark: ProcessMark {
        ProcessMark(
            rawValue: (origin.bits | Self.markBit) << 32 | (mayStay ? Self.stayBit : 0) | run)
    }
}
