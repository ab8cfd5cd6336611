// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// Log lines that their reader has not taken yet, oldest first, in bounded memory.
///
/// A reader that is slow for a moment loses nothing. One that has stopped costs the lines beyond the
/// bound; they are counted, and the count stands where they are missing.
public struct LineBacklog: Sendable {
    /// Bytes in all.
    static let sizeMax = 1 << 20
    /// What a line costs beside its bytes.
    private static let overhead = 64
    /// A reader that takes nothing for so long does not count as slow any more, but as stopped.
    public static let patience: Duration = .seconds(1)

    private struct Line {
        let bytes: [UInt8]
        /// How many lines are missing if it is: a notice stands for more than itself.
        let count: Int
    }

    private var lines = Deque<Line>()
    private var size = 0
    /// Bytes of the first line that were taken already.
    private var taken = 0
    /// Lines that were dropped and not reported yet.
    private var dropped = 0
    private var takenAt: Instant?
    private let notice: @Sendable (Int) -> [UInt8]

    /// - Parameter notice: the line that reports how many lines are missing.
    public init(notice: @escaping @Sendable (Int) -> [UInt8]) {
        self.notice = notice
    }

    public var isEmpty: Bool { lines.isEmpty && dropped == 0 }

    public mutating func add(_ line: [UInt8], at now: Instant) {
        let cost = line.count + Self.overhead
        // Lines are accepted again at half of the bound, or there would be a notice for every few.
        let room = dropped == 0 ? Self.sizeMax : Self.sizeMax / 2
        guard size + cost <= room else {
            dropped += 1
            return
        }
        if lines.isEmpty { takenAt = now }
        reportDropped()
        append(line, count: 1)
    }

    /// Counts lines that never came here as dropped.
    public mutating func drop(_ count: Int) { dropped += count }

    /// What is to be written next; nil when all was.
    public mutating func next() -> ArraySlice<UInt8>? {
        if lines.isEmpty { reportDropped() }
        return lines.first.map { $0.bytes[taken...] }
    }

    /// The reader took so many bytes of `next`.
    public mutating func take(_ count: Int, at now: Instant) {
        takenAt = now
        taken += count
        if let first = lines.first, taken >= first.bytes.count { removeFirst() }
    }

    /// What was to be written next cannot be written at all.
    public mutating func dropFirst() {
        dropped += lines.first?.count ?? 0
        removeFirst()
    }

    /// Until when whoever has more to say had better wait, since the reader is slow but reads; nil
    /// where nobody need wait.
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
