// SPDX-License-Identifier: GPL-3.0-or-later

/// A number that a process and all its descendants inherit, whatever they do to their environment,
/// session or parents: the limits of file locks (getrlimit(2), `RLIMIT_LOCKS`).
///
/// Linux inherits them over fork and execve, and has enforced none since 2.4.25. Without
/// CAP_SYS_RESOURCE a hard limit cannot be raised, so a process can lose its mark, but cannot take
/// a greater one. A process without a mark can take any.
public struct ProcessMark: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt64

    /// - Parameter rawValue: neither 0, which marks nothing, nor `RLIM_INFINITY`.
    public init(rawValue: UInt64) {
        precondition(rawValue != 0 && rawValue != .max, "not a limit")
        self.rawValue = rawValue
    }

    /// Returns a mark that no other program carries. It is below those of runs, which may start
    /// such programs.
    public static func random() -> ProcessMark {
        ProcessMark(rawValue: .random(in: 1 << 61..<1 << 62))
    }

    /// The limits of a process (`/proc/PID/limits`); nil means unlimited.
    public struct Limits: Equatable, Sendable {
        public let soft: UInt64?
        public let hard: UInt64?

        /// Reads the limits of any process; nil if it is gone.
        public init?(of pid: PID) {
            guard let text = KernelFile.read("/proc/\(pid)/limits"),
                let line = text.split(separator: "\n").first(where: { $0.hasPrefix(Self.label) })
            else { return nil }
            let words = line.dropFirst(Self.label.count).split(separator: " ")
            guard words.count >= 2 else { return nil }
            // Otherwise the word is "unlimited".
            soft = UInt64(words[0])
            hard = UInt64(words[1])
        }

        private static let label = "Max file locks "
    }

    /// Returns whether a process carries the mark, as its hard or as its soft limit.
    public func isCarried(by pid: PID) -> Bool {
        guard let limits = Limits(of: pid) else { return false }
        return limits.hard == rawValue || limits.soft == rawValue
    }
}
