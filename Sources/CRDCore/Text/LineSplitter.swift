// SPDX-License-Identifier: GPL-3.0-or-later

/// Splits a stream of bytes into lines, and keeps at most one unfinished line.
public struct LineSplitter: Sendable {
    /// A longer line is split into pieces of this size in bytes; journald's own limit is 48 KiB.
    public static let lengthMax = 16 << 10

    private var rest: [UInt8] = []

    public init() {}

    /// Calls `body` with each complete line, without its line feed.
    ///
    /// - Returns: how many bytes were consumed; fewer than all only after `linesMax` lines.
    public mutating func feed(
        _ bytes: UnsafeRawBufferPointer, atMost linesMax: Int = .max, _ body: ([UInt8]) -> Void
    ) -> Int {
        var lines = 0
        var taken = 0
        for byte in bytes {
            guard lines < linesMax else { break }
            taken += 1
            let isEnd = byte == UInt8(ascii: "\n")
            if !isEnd { rest.append(byte) }
            guard isEnd || rest.count >= Self.lengthMax else { continue }
            body(rest)
            lines += 1
            rest.removeAll(keepingCapacity: true)
        }
        return taken
    }

    /// Passes over all lines that end in these bytes, at a small part of the cost of `feed`. What
    /// follows the last one begins the next line.
    ///
    /// - Returns: the number of line feeds.
    public mutating func skip(_ bytes: UnsafeRawBufferPointer) -> Int {
        let lines = bytes.reduce(0) { $0 &+ ($1 == UInt8(ascii: "\n") ? 1 : 0) }
        if lines > 0 { rest.removeAll(keepingCapacity: true) }
        let begun = bytes[((bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)...]
        rest.append(contentsOf: begun.prefix(Self.lengthMax - 1 - rest.count))
        return lines
    }

    /// Calls `body` with the text after the last line feed, if there is any.
    public mutating func flush(_ body: ([UInt8]) -> Void) {
        if !rest.isEmpty { body(rest) }
        rest = []
    }
}
