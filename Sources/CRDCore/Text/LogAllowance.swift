// SPDX-License-Identifier: GPL-3.0-or-later

/// What a module may print into the log (G15): so much at once, and so much a second from then on.
/// Lines beyond that are dropped and counted, or it would push everybody else's out of the log.
public struct LogAllowance: Sendable {
    /// Bytes at once.
    public static let burst = 8 << 20
    /// Bytes that are added each second, up to `burst`.
    public static let rate = 16 << 10
    /// What a line costs beside its bytes.
    static let costOfLine = 64
    /// Bytes that must be there again where all was spent: else each few lines would be followed by
    /// one that says how many are missing.
    static let leastAfterPause = 64 << 10

    public enum Verdict: Hashable, Sendable {
        /// The line passes; `missing` lines before it were dropped and not reported yet.
        case pass(missing: Int)
        /// The line does not pass; the one before it may have.
        case drop(isFirst: Bool)
    }

    private var left = burst
    private var refilledAt: Instant?
    private var isSpent = false
    private var dropped = 0
    private var line = RepeatedLine()

    public init() {}

    /// - Parameter size: of the line, in bytes.
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

    /// How many lines were dropped and not reported yet, at most once a minute; they count as
    /// reported then.
    public mutating func passDropped(at now: Instant) -> Int {
        guard dropped > 0, line.note(at: now) != nil else { return 0 }
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
        // Lines come faster than bytes are added.
        guard gain >= 1 else { return }
        refilledAt = now
        left = min(Self.burst, left + Int(gain))
    }
}
