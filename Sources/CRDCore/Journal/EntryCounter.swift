// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// Counts the entries of one trigger in a sliding window, separately for each key.
///
/// The times are those of the entries, so a backlog counts as it was written and no timer is
/// needed. If the clock was set in between, the monotonic time decides. The size is bounded
/// whatever comes: the keys that were counted longest ago are evicted first.
struct EntryCounter: Hashable, Codable, Sendable {
    /// An entry that was counted.
    struct Noted: Hashable, Codable, Sendable {
        /// In microseconds since 1970.
        var time: Int64
        var cursor: String
        /// The boot in which the entry was logged, and the microseconds from its beginning; nil in
        /// records stored by versions without these fields.
        var boot: String?
        var monotonic: Int64?

        /// Returns how far apart in time two entries were logged, in microseconds.
        ///
        /// Within one boot, the distance is at least the difference by the monotonic clock, which
        /// is never set. It exceeds that at most by the time that the machine slept, which that
        /// clock leaves out. Within these bounds the wall clock decides.
        ///
        /// - Parameter slept: the longest time that the machine may have slept, in microseconds.
        func distance(to other: Noted, slept: Int64) -> Int64 {
            let apart = other.time - time
            guard let boot, !boot.isEmpty, boot == other.boot, let start = monotonic,
                let end = other.monotonic
            else { return abs(apart) }
            let least = abs(end - start)
            return min(max(end < start ? -apart : apart, least), least + slept)
        }
    }

    /// The entries that filled the count.
    struct Tally: Hashable, Sendable {
        var key: [UInt8]
        var count: Int
        /// The latest `shownMax` entries, oldest first.
        var entries: [Noted]
    }

    static let keysMax = 1_024
    /// The limit for all keys together.
    static let entriesMax = 4_096
    static let shownMax = 100

    private struct Window: Hashable, Codable, Sendable {
        /// The shown part of the key, and `EntryKey.digest`.
        let key: [UInt8]
        let digest: [UInt8]?
        /// Oldest first.
        var entries: Deque<Noted> = []

        init(_ key: EntryKey) {
            self.key = key.shown
            digest = key.digest
        }

        func isOf(_ other: EntryKey) -> Bool { key == other.shown && digest == other.digest }
    }

    /// In the order of the last count, the latest one last.
    private var windows: [Window] = []
    private(set) var size = 0
    /// How many keys were evicted with their counts, for lack of room.
    private(set) var forgotten = 0

    /// Counts an entry.
    ///
    /// - Parameter slept: the longest time that the machine may have slept in the entry's boot, in
    ///   microseconds.
    /// - Returns: the entries, if this one filled the count; the key then starts anew. Else nil.
    mutating func count(
        _ entry: Noted, key: EntryKey, for counting: JournalTrigger.Counting, slept: Int64 = 0
    ) -> Tally? {
        var window = take(key) ?? Window(key)
        let span = counting.window.microseconds
        // In both directions: entries of several machines or boots need not come in order.
        window.entries.removeAll { $0.distance(to: entry, slept: slept) > span }
        window.entries.append(entry)
        guard window.entries.count < counting.count else {
            return Tally(
                key: key.shown, count: window.entries.count,
                entries: Array(window.entries.suffix(Self.shownMax)))
        }
        size += window.entries.count
        windows.append(window)
        evict()
        return nil
    }

    /// Returns whether `count` would return the entries.
    func isCompleted(
        by entry: Noted, key: EntryKey, for counting: JournalTrigger.Counting, slept: Int64 = 0
    ) -> Bool {
        let window = windows.last { $0.isOf(key) }
        let needed = counting.count - 1
        guard let window, window.entries.count >= needed else { return needed <= 0 }
        let span = counting.window.microseconds
        return window.entries.count { $0.distance(to: entry, slept: slept) <= span } >= needed
    }

    private mutating func take(_ key: EntryKey) -> Window? {
        guard let index = windows.lastIndex(where: { $0.isOf(key) }) else { return nil }
        size -= windows[index].entries.count
        return windows.remove(at: index)
    }

    private mutating func evict() {
        while windows.count > Self.keysMax || (size > Self.entriesMax && windows.count > 1) {
            size -= windows.removeFirst().entries.count
            forgotten += 1
        }
    }
}
