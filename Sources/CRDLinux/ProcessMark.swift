// SPDX-License-Identifier: GPL-3.0-or-later

/// A number that a process and all its descendants carry from birth, whatever they do to their
/// environment, session or parents: the soft limit of file locks (getrlimit(2), `RLIMIT_LOCKS`).
///
/// Linux inherits that limit over fork and execve, and has enforced none since 2.4.25.
public struct ProcessMark: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt64

    /// - Parameter rawValue: neither 0, which marks nothing, nor `RLIM_INFINITY`.
    public init(rawValue: UInt64) {
        precondition(rawValue != 0 && rawValue != .max, "not a limit")
        self.rawValue = rawValue
    }

    /// A mark that no other program carries.
    public static func random() -> ProcessMark {
        ProcessMark(rawValue: .random(in: 1 << 62..<1 << 63))
    }

    /// The mark of a process (`/proc/PID/limits`), our own or anybody's; nil where it carries none, or
    /// has gone.
    public init?(of pid: PID) {
        guard let text = TextFile.read("/proc/\(pid)/limits"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix(Self.label) }),
            let word = line.dropFirst(Self.label.count).split(separator: " ").first,
            let soft = UInt64(word), soft != 0
        else { return nil }
        self.init(rawValue: soft)
    }

    private static let label = "Max file locks "
}
