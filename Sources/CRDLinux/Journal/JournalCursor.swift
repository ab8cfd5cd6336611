// SPDX-License-Identifier: GPL-3.0-or-later

/// An entry's position by its cursor (sd_journal_get_cursor(3)), in the order in which libsystemd
/// walks through several files.
struct JournalCursor: Comparable {
    let text: String
    private let sequence: Substring
    private let boot: Substring
    private let number: UInt64
    private let monotonic: UInt64
    private let time: UInt64
    private let content: UInt64

    init(_ text: String) {
        self.text = text
        var parts: [Character: Substring] = [:]
        for part in text.split(separator: ";") where part.dropFirst().first == "=" {
            parts[part[part.startIndex]] = part.dropFirst(2)
        }
        func hexadecimal(_ name: Character) -> UInt64 {
            parts[name].flatMap { UInt64($0, radix: 16) } ?? 0
        }
        sequence = parts["s"] ?? ""
        boot = parts["b"] ?? ""
        number = hexadecimal("i")
        monotonic = hexadecimal("m")
        time = hexadecimal("t")
        content = hexadecimal("x")
    }

    /// Returns how many entries lie between the two; nil if they have different writers.
    func count(to other: JournalCursor) -> UInt64? {
        guard sequence == other.sequence, !sequence.isEmpty, number <= other.number else {
            return nil
        }
        return other.number - number
    }

    /// Compares what both have in common: the sequence numbers of one writer, else the clock of one
    /// boot, else the calendar time.
    static func < (left: JournalCursor, right: JournalCursor) -> Bool {
        if left.sequence == right.sequence, left.number != right.number {
            return left.number < right.number
        }
        if left.boot == right.boot, left.monotonic != right.monotonic {
            return left.monotonic < right.monotonic
        }
        return (left.time, left.content) < (right.time, right.content)
    }
}
