// SPDX-License-Identifier: GPL-3.0-or-later

/// A place in the journal to continue reading from.
public struct JournalPosition: Hashable, Codable, Sendable {
    /// The entry's cursor, sd_journal_get_cursor(3); empty where there was no entry yet, so that
    /// only the time is known.
    public var cursor: String
    /// When journald received the entry, in microseconds since 1970
    /// (sd_journal_get_realtime_usec(3)).
    public var time: Int64
    /// The boot in which the entry was logged, and the microseconds from its beginning
    /// (sd_journal_get_monotonic_usec(3)). Unlike the wall clock, they are right whatever the clock
    /// was set to.
    public var bootID: String
    public var monotonic: Int64
    /// How many entries were read up to here since the state directory was created. Unlike the
    /// time, it never decreases.
    public var order: Int64
    /// Whether the entry itself must still be read.
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

    /// The order of a position past everything read.
    public static let last = Int64.max

    /// Returns whether reading from here covers all entries that reading from `other` covers.
    public func reachesBack(to other: JournalPosition) -> Bool {
        let (rank, otherRank) = (isInclusive ? 0 : 1, other.isInclusive ? 0 : 1)
        // Past everything read, only the time decides; best the monotonic clock, which is never
        // set.
        if (order == Self.last) != (other.order == Self.last) {
            return bootID == other.bootID && !bootID.isEmpty
                ? (monotonic, rank) <= (other.monotonic, otherRank)
                : (time, rank) <= (other.time, otherRank)
        }
        return (order, rank, time) <= (other.order, otherRank, other.time)
    }
}
