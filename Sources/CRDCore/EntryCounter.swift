// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// Counts the entries of one trigger in a sliding window, apart by key.
///
/// Time is the entries' own, so that a backlog is counted as it was written and no timer is needed.
/// Bounded whatever comes in: the keys that were counted longest ago are forgotten first.
struct EntryCounter: Hashable, Codable, Sendable {
    /// An entry that was counted.
    struct Noted: Hashable, Codable, Sendable {
        /// In microseconds since 1970.
        var time: Int64
        var cursor: String
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
    /// A key is cut there, in bytes.
    static let keySizeMax = 256
    static let shownMax = 100

    private struct Window: Hashable, Codable, Sendable {
        var key: [UInt8]
        /// Oldest first.
        var entries: Deque<Noted> = []
    }

    /// The one that was counted latest last.
    private var windows: [Window] = []
    private(set) var size = 0
    /// How many keys were forgotten with what was counted of them, for want of room.
    private(set) var forgotten = 0

    /// - Returns: the entries, if it was this one that made the count full; the key starts anew.
    mutating func count(
        _ entry: Noted, key: [UInt8], for counting: JournalTrigger.Counting
    ) -> Tally? {
        let key = Array(key.prefix(Self.keySizeMax))
        var window = take(key) ?? Window(key: key)
        let span = counting.window.microseconds
        // Both ways: after the clock was set back, what was counted before it means nothing.
        window.entries.removeAll { abs($0.time - entry.time) > span }
        window.entries.append(entry)
        guard window.entries.count < counting.count else {
            return Tally(
                key: key, count: window.entries.count,
                entries: Array(window.entries.suffix(Self.shownMax)))
        }
        size += window.entries.count
        windows.append(window)
        evict()
        return nil
    }

    private mutating func take(_ key: [UInt8]) -> Window? {
        guard let index = windows.lastIndex(where: { $0.key == key }) else { return nil }
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

extension Duration {
    /// Whole microseconds.
    var microseconds: Int64 { nanoseconds / 1_000 }
}
