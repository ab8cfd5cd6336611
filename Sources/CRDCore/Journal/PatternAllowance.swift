// SPDX-License-Identifier: GPL-3.0-or-later

/// Limits the shared time that a pattern may take (G15): the writer of a log chooses the lines, and
/// with some patterns each line takes as long as the limit for one line allows.
///
/// A pattern that takes too much within a minute is suspended for a minute. Meanwhile its lines
/// count as matches without being matched, so that no match is missed.
public struct PatternAllowance: Sendable {
    public static let period = Duration.seconds(60)
    /// How many lines may exceed the limit within `period`.
    public static let exceededMax = 3
    /// The time that all slow lines within `period` may take together.
    public static let slowTimeMax = Duration.milliseconds(100)
    /// A line that takes at least this long is slow: an honest pattern takes less, even with 64
    /// KiB.
    public static let slowMin = Duration.milliseconds(1)

    /// Why a pattern is suspended.
    public enum Cause: Hashable, Sendable {
        /// This many lines exceeded the limit.
        case exceeded(Int)
        /// This many lines were slow.
        case slow(Int)
    }

    private var begunAt: Instant?
    private var slow = 0
    private var exceeded = 0
    private var slowTime = Duration.zero
    private var suspendedUntil: Instant?

    public init() {}

    /// Returns whether the pattern is suspended. Reads the clock only where it matters.
    public mutating func isSuspended(at now: @autoclosure () -> Instant) -> Bool {
        guard let end = suspendedUntil else { return false }
        if now() < end { return true }
        suspendedUntil = nil
        return false
    }

    /// Counts a line.
    ///
    /// - Returns: why the pattern is suspended from now on; nil if it is not.
    public mutating func charge(
        _ duration: Duration, hasExceeded: Bool, at now: @autoclosure () -> Instant
    ) -> Cause? {
        guard hasExceeded || duration >= Self.slowMin else { return nil }
        let now = now()
        if begunAt.map({ $0 + Self.period <= now }) ?? true {
            self = PatternAllowance()
            begunAt = now
        }
        slow += 1
        slowTime += duration
        if hasExceeded { exceeded += 1 }
        guard exceeded >= Self.exceededMax || slowTime >= Self.slowTimeMax else { return nil }
        let cause = exceeded >= Self.exceededMax ? Cause.exceeded(exceeded) : .slow(slow)
        self = PatternAllowance()
        suspendedUntil = now + Self.period
        return cause
    }
}

extension PatternAllowance.Cause: CustomStringConvertible {
    public var description: String {
        switch self {
        case .exceeded(let count): "exceeded its limit on \(count) lines within a minute"
        case .slow(let count):
            "took more than \(TimeSpan(PatternAllowance.slowTimeMax)) for \(count) lines within a "
                + "minute"
        }
    }
}
