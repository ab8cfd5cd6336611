// SPDX-License-Identifier: GPL-3.0-or-later

/// A log line that others can cause as often as they like. It is logged at once, then at most once
/// a minute, with the number of times since.
public struct RepeatedLine: Sendable {
    /// The least time between two lines.
    public static let period = Duration.seconds(60)

    private var count = 0
    private var loggedAt: Instant?

    public init() {}

    /// Counts one more cause of the line.
    ///
    /// - Returns: how many causes the line stands for; nil if it is not to be logged now.
    public mutating func recordCause(at now: Instant) -> Int? {
        count += 1
        if let loggedAt, now < loggedAt + Self.period { return nil }
        defer { count = 0 }
        loggedAt = now
        return count
    }
}
