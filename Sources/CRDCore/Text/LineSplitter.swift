// SPDX-License-Identifier: GPL-3.0-or-later

/// Cuts a stream of bytes into lines, keeping no more than one unfinished line.
public struct LineSplitter: Sendable {
    /// A line longer than this is handed over in pieces; journald's own limit is 48 KiB.
    public static let lengthMax = 16 << 10

    private var rest: [UInt8] = []

    public init() {}

    /// Calls `body` with each line that is complete, without its line feed.
    ///
    /// - Returns: how many of the bytes were looked at, which are not all only where there were
    ///   `linesMax` lines.
    public mutating func feed(
        _ bytes: some Collection<UInt8>, atMost linesMax: Int = .max, _ body: ([UInt8]) -> Void
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

    /// Hands over what follows the last line feed, if anything does.
    public mutating func finish(_ body: ([UInt8]) -> Void) {
        if !rest.isEmpty { body(rest) }
        rest = []
    }
}
