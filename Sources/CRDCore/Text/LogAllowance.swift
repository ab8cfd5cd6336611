// SPDX-License-Identifier: GPL-3.0-or-later

/// Limits what a module may write to the log (G15): a burst at first, and a rate per second from
/// then on. Further lines are dropped and counted, or they would evict everybody else's from the
/// log.
public struct LogAllowance: Sendable {
    /// How many bytes may come at once.
    public static let burst = 8 << 20
    /// How many bytes are added each second, up to `burst`.
    public static let rate = 16 << 10
    /// The cost of a line in addition to its bytes.
    static let costOfLine = 64
    /// How many bytes must be available again after all were spent. With less, every few lines
    /// would be followed by a report of missing ones.
    static let leastAfterPause = 64 << 10

    public enum Verdict: Hashable, Sendable {
        /// The line passes; `missing` lines before it were dropped and not reported yet.
        case pass(missing: Int)
        /// The line is dropped; `isFirst` is true for the first one since a line passed.
        case drop(isFirst: Bool)
    }

    private var left = burst
    private var refilledAt: Instant?
    private var isSpent = false
    private var dropped = 0
    private var line = RepeatedLine()

    public init() {}

    /// Decides whether a line passes.
    ///
    /// - Parameter size: the line's size in bytes.
    public mutating func admit(_ size: Int, at now: Instant) -> Verdict {
        refill(at: now)
        let cost = min(size + Self.costOfLine, Self.leastAfterPause)
        guard left >= (isSpent ? Self.leastAfterPause : cost) else {
            defer { isSpent = true }
            dropped += 1
            return .drop(isFirst: !isSpent)
        }
        isSpent = false
        left -= cost
        defer { dropped = 0 }
        return .pass(missing: dropped)
    }

    /// Returns whether every line would be dropped, as the last one was.
    public mutating func dropsAll(at now: Instant) -> Bool {
        refill(at: now)
        return isSpent && left < Self.leastAfterPause
    }

    /// Counts lines that were dropped without asking.
    public mutating func drop(_ lines: Int) { dropped += lines }

    /// Returns how many lines were dropped and not reported yet, at most once a minute, and counts
    /// them as reported.
    public mutating func passDropped(at now: Instant) -> Int {
        guard dropped > 0, line.recordCause(at: now) != nil else { return 0 }
        defer { dropped = 0 }
        return dropped
    }

    private mutating func refill(at now: Instant) {
        guard let former = refilledAt else {
            refilledAt = now
            return
        }
        let seconds = former.duration(to: now) / .seconds(1)
        let gain = min(seconds * Double(Self.rate), Double(Self.burst))
        // Lines may come faster than whole bytes are added.
        guard gain >= 1 else { return }
        refilledAt = now
        left = min(Self.burst, left + Int(gain))
    }
}
