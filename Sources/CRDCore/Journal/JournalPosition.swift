// SPDX-License-Identifier: GPL-3.0-or-later

/// A place in the journal from which to read on.
public struct JournalPosition: Hashable, Codable, Sendable {
    /// The entry's, sd_journal_get_cursor(3); empty where there was no entry yet, so that only the
    /// time is known.
    public var cursor: String
    /// When journald received the entry, in microseconds since 1970 (sd_journal_get_realtime_usec(3)).
    public var time: Int64
    /// The boot in which it was logged, and when, in microseconds since that began
    /// (sd_journal_get_monotonic_usec(3)): unlike the calendar's time, it is right whatever the clock
    /// was set to.
    public var bootID: String
    public var monotonic: Int64
    /// How many entries have been read until then in the life of the state directory. Unlike the
    /// time it never goes back.
    public var order: Int64
    /// Whether the entry itself is still to be read.
    public var isInclusive: Bool

    public init(
        cursor: String, time: Int64, bootID: String = "", monotonic: Int64 = 0, order: Int64,
        isInclusive: Bool = false
    ) {
        self.cursor = cursor
        self.time = time
        self.bootID = bootID
        self.monotonic = monotonic
        self.order = order
        self.isInclusive = isInclusive
    }

    /// The order of a place that is behind all that was ever read.
    public static let last = Int64.max

    /// Whether what is read from here on has all that would be read from `other` on.
    public func reachesBack(to other: JournalPosition) -> Bool {
        let (rank, otherRank) = (isInclusive ? 0 : 1, other.isInclusive ? 0 : 1)
        // Where nobody has read up to, only the time tells; best by the clock that is never set.
        if (order == Self.last) != (other.order == Self.last) {
            return bootID == other.bootID && !bootID.isEmpty
                ? (monotonic, rank) <= (other.monotonic, otherRank)
                : (time, rank) <= (other.time, otherRank)
        }
        return (order, rank, time) <= (other.order, otherRank, other.time)
    }
}
