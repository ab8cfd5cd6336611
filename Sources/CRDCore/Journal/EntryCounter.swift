// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// Counts the entries of one trigger in a sliding window, apart by key.
///
/// Time is the entries' own, so that a backlog is counted as it was written and no timer is needed.
/// Where the clock was set in between, the time since the boot tells.
/// Bounded whatever comes in: the keys that were counted longest ago are forgotten first.
struct EntryCounter: Hashable, Codable, Sendable {
    /// An entry that was counted.
    struct Noted: Hashable, Codable, Sendable {
        /// In microseconds since 1970.
        var time: Int64
        var cursor: String
        /// The boot in which it was logged, and when, in microseconds since that began; nil in what
        /// was stored before these were.
        var boot: String?
        var monotonic: Int64?

        /// How long before or after another it was logged, in microseconds.
        ///
        /// Within a boot that is at least what lies between them by the clock that is never set, and
        /// at most as much longer as the machine has slept, which that clock leaves out. The
        /// calendar's clock tells where in between, unless it was set.
        ///
        /// - Parameter slept: how long the machine has slept at most, in microseconds.
        func distance(to other: Noted, slept: Int64) -> Int64 {
            let apart = other.time - time
            guard let boot, !boot.isEmpty, boot == other.boot, let start = monotonic,
                let end = other.monotonic
            else { return abs(apart) }
            let least = abs(end - start)
            return min(max(end < start ? -apart : apart, least), least + slept)
        }
    }

    /// The entries that made the count full.
    struct Tally: Hashable, Sendable {
        var key: [UInt8]
        var count: Int
        /// The latest `shownMax` of them, oldest first.
        var entries: [Noted]
    }

    static let keysMax = 1_024
    /// Over all keys.
    static let entriesMax = 4_096
    static let shownMax = 100

    private struct Window: Hashable, Codable, Sendable {
        /// What is shown of the key, and `EntryKey.digest`.
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

    /// The one that was counted latest last.
    private var windows: [Window] = []
    private(set) var size = 0
    /// How many keys were forgotten with what was counted of them, for want of room.
    private(set) var forgotten = 0

    /// - Parameter slept: how long the machine has slept at most in the boot of the entry, in
    ///   microseconds.
    /// - Returns: the entries, if it was this one that made the count full; the key starts anew.
    mutating func count(
        _ entry: Noted, key: EntryKey, for counting: JournalTrigger.Counting, slept: Int64 = 0
    ) -> Tally? {
        var window = take(key) ?? Window(key)
        let span = counting.window.microseconds
        // Both ways: entries of several machines or boots need not come in order.
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

    /// Whether `count` would return the entries.
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
