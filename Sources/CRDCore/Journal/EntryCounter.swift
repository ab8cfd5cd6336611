// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// Counts the entries of one trigger in a sliding window, separately for each key.
///
/// The times are those of the entries, so a backlog counts as it was written and no timer is
/// needed. If the clock was set in between, the monotonic time decides. The size is bounded
/// whatever comes: the keys that were counted longest ago are evicted first.
struct EntryCounter: Sendable {
    /// An entry that was counted.
    struct Noted: Hashable, Decodable, Sendable {
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

    private struct Window {
        /// Oldest first.
        var entries = Deque<Noted>()
        /// The number of the window's latest turn.
        var turn = 0
    }

    private struct Turn {
        let key: EntryKey
        let number: Int
    }

    private var windows: [EntryKey: Window] = [:]
    /// When each key was counted, the latest last. A turn that another turn of its key has followed
    /// is passed over.
    private var turns = Deque<Turn>()
    private var turnsTaken = 0
    private(set) var size = 0
    /// How many keys were evicted with their counts, for lack of room.
    private(set) var forgotten = 0

    init() {}

    /// How many keys are counted.
    var keyCount: Int { windows.count }

    /// Counts an entry.
    ///
    /// - Parameter slept: the longest time that the machine may have slept in the entry's boot, in
    ///   microseconds.
    /// - Returns: the entries, if this one filled the count; the key then starts anew. Else nil.
    mutating func count(
        _ entry: Noted, key: EntryKey, for counting: JournalTrigger.Counting, slept: Int64 = 0
    ) -> Tally? {
        var window = remove(key) ?? Window()
        let span = counting.window.microseconds
        expire(before: entry, span, slept: slept)
        // In both directions: entries of several machines or boots need not come in order.
        window.entries.removeAll { $0.distance(to: entry, slept: slept) > span }
        window.entries.append(entry)
        guard window.entries.count < counting.count else {
            return Tally(
                key: key.shown, count: window.entries.count,
                entries: Array(window.entries.suffix(Self.shownMax)))
        }
        add(window, key)
        while windows.count > Self.keysMax || size > Self.entriesMax, evict() {}
        return nil
    }

    /// Returns whether `count` would return the entries.
    func isCompleted(
        by entry: Noted, key: EntryKey, for counting: JournalTrigger.Counting, slept: Int64 = 0
    ) -> Bool {
        let needed = counting.count - 1
        guard let window = windows[key], window.entries.count >= needed else { return needed <= 0 }
        let span = counting.window.microseconds
        return window.entries.count { $0.distance(to: entry, slept: slept) <= span } >= needed
    }

    /// Evicts the key that was counted longest ago, with its count. The last key stays.
    ///
    /// - Returns: whether there was one.
    mutating func evict() -> Bool {
        guard windows.count > 1, let key = oldest else { return false }
        _ = remove(key)
        forgotten += 1
        return true
    }

    private mutating func add(_ window: Window, _ key: EntryKey) {
        turnsTaken += 1
        turns.append(Turn(key: key, number: turnsTaken))
        size += window.entries.count
        windows[key] = Window(entries: window.entries, turn: turnsTaken)
        // A key that is counted over and over leaves a turn each time.
        guard turns.count > 2 * Self.keysMax else { return }
        turns.removeAll { [windows] in windows[$0.key]?.turn != $0.number }
    }

    private mutating func remove(_ key: EntryKey) -> Window? {
        guard let window = windows.removeValue(forKey: key) else { return nil }
        size -= window.entries.count
        return window
    }

    /// The key that was counted longest ago.
    private var oldest: EntryKey? {
        mutating get {
            while let turn = turns.first {
                if windows[turn.key]?.turn == turn.number { return turn.key }
                turns.removeFirst()
            }
            return nil
        }
    }

    /// Removes the oldest keys while all their entries are too old to count with this one. Otherwise
    /// a flood of keys would be kept, and stored, for ever.
    ///
    /// Without a boot only the wall clock tells, which may be set back again.
    private mutating func expire(before entry: Noted, _ span: Int64, slept: Int64) {
        guard entry.boot != nil else { return }
        func isOver(_ noted: Noted) -> Bool {
            noted.boot != nil && noted.distance(to: entry, slept: slept) > span
        }
        while let key = oldest, windows[key]?.entries.allSatisfy(isOver) == true {
            _ = remove(key)
        }
    }
}

extension EntryCounter: Equatable {
    static func == (one: EntryCounter, other: EntryCounter) -> Bool {
        one.forgotten == other.forgotten && one.windows.count == other.windows.count
            && one.windows.allSatisfy { other.windows[$0.key]?.entries == $0.value.entries }
    }
}

// MARK: The stored form

extension EntryCounter: Decodable {
    private struct Stored: Decodable {
        struct Window: Decodable {
            /// `EntryKey.shown` and `EntryKey.digest`.
            var key: [UInt8]
            var digest: [UInt8]?
            /// Oldest first.
            var entries: [Noted]
        }

        /// In the order of the last count, the latest one last.
        var windows: [Window]
        var forgotten: Int
    }

    init(from decoder: any Decoder) throws {
        let stored = try Stored(from: decoder)
        forgotten = stored.forgotten
        for window in stored.windows {
            let key = EntryKey(shown: window.key, digest: window.digest)
            add(Window(entries: Deque(window.entries)), key)
        }
    }

    /// The counter as `init(from:)` reads it. Not by Encodable, which takes ten times as long: the
    /// daemon stores counters every second while somebody floods the log (G15).
    var json: [UInt8] {
        var list: [JSONObject] = []
        for turn in turns {
            guard let window = windows[turn.key], window.turn == turn.number else { continue }
            var object = JSONObject()
            object.add("key", bytes: turn.key.shown)
            if let digest = turn.key.digest { object.add("digest", bytes: digest) }
            object.add("entries", window.entries.map(\.json))
            list.append(object)
        }
        var object = JSONObject(capacity: 512 + 256 * size)
        object.add("windows", list)
        object.add("size", size)
        object.add("forgotten", forgotten)
        return object.encoded()
    }
}

extension EntryCounter.Noted {
    fileprivate var json: JSONObject {
        var object = JSONObject(capacity: 256)
        object.add("time", Int(time))
        object.add("cursor", cursor)
        if let boot { object.add("boot", boot) }
        if let monotonic { object.add("monotonic", Int(monotonic)) }
        return object
    }
}
