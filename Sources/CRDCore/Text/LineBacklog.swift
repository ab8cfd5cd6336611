// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// Log lines that their reader has not taken yet, oldest first, in bounded memory.
///
/// A reader that is slow for a moment loses nothing. While a reader has stopped, lines beyond the
/// bound are dropped and counted, and a notice with the count takes their place.
public struct LineBacklog: Sendable {
    /// The bound of all lines together, in bytes.
    static let sizeMax = 1 << 20
    /// The cost of a line in addition to its bytes.
    private static let overhead = 64
    /// A reader that takes nothing for this long counts as stopped, not as slow.
    public static let patience: Duration = .seconds(1)

    private struct Line {
        let bytes: [UInt8]
        /// How many lines are lost with this one: a notice stands for several.
        let count: Int
    }

    private var lines = Deque<Line>()
    private var size = 0
    /// How many bytes of the first line were taken already.
    private var taken = 0
    /// How many lines were dropped and not reported yet.
    private var dropped = 0
    private var takenAt: Instant?
    private let notice: @Sendable (Int) -> [UInt8]

    /// - Parameter notice: returns the line that reports how many lines are missing.
    public init(notice: @escaping @Sendable (Int) -> [UInt8]) {
        self.notice = notice
    }

    public var isEmpty: Bool { lines.isEmpty && dropped == 0 }

    public mutating func add(_ line: [UInt8], at now: Instant) {
        let cost = line.count + Self.overhead
        // After a drop, lines are accepted at half of the bound: else there would be many notices.
        let room = dropped == 0 ? Self.sizeMax : Self.sizeMax / 2
        guard size + cost <= room else {
            dropped += 1
            return
        }
        if lines.isEmpty { takenAt = now }
        reportDropped()
        append(line, count: 1)
    }

    /// Counts lines as dropped that were not added here.
    public mutating func drop(_ count: Int) { dropped += count }

    /// Returns the bytes to write next; nil when everything was written.
    public mutating func next() -> ArraySlice<UInt8>? {
        if lines.isEmpty { reportDropped() }
        return lines.first.map { $0.bytes[taken...] }
    }

    /// Removes this many bytes of `next`, which the reader took.
    public mutating func advance(by count: Int, at now: Instant) {
        takenAt = now
        taken += count
        if let first = lines.first, taken >= first.bytes.count { removeFirst() }
    }

    /// Drops the first line, because it cannot be written at all.
    public mutating func dropFirst() {
        dropped += lines.first?.count ?? 0
        removeFirst()
    }

    /// Until when writers of further lines should wait, because the reader is slow but still reads;
    /// nil where they need not wait.
    public var holdsUntil: Instant? {
        guard size > Self.sizeMax / 2, let takenAt else { return nil }
        return takenAt + Self.patience
    }

    private mutating func reportDropped() {
        guard dropped > 0 else { return }
        append(notice(dropped), count: dropped)
        dropped = 0
    }

    private mutating func append(_ bytes: [UInt8], count: Int) {
        lines.append(Line(bytes: bytes, count: count))
        size += bytes.count + Self.overhead
    }

    private mutating func removeFirst() {
        guard let line = lines.popFirst() else { return }
        size -= line.bytes.count + Self.overhead
        taken = 0
    }
}
