// SPDX-License-Identifier: GPL-3.0-or-later

/// Cuts a stream of bytes into lines, keeping no more than one unfinished line.
public struct LineSplitter: Sendable {
    /// A line longer than this is handed over in pieces; journald's own limit is 48 KiB.
    public static let lengthMax = 16 << 10

    private var rest: [UInt8] = []

    public init() {}

    /// Calls `body` with each line that is complete, without its line feed.
    public mutating func feed(_ bytes: some Sequence<UInt8>, _ body: ([UInt8]) -> Void) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                body(rest)
                rest.removeAll(keepingCapacity: true)
                continue
            }
            rest.append(byte)
            if rest.count >= Self.lengthMax {
                body(rest)
                rest.removeAll(keepingCapacity: true)
            }
        }
    }

    /// Hands over what follows the last line feed, if anything does.
    public mutating func finish(_ body: ([UInt8]) -> Void) {
        if !rest.isEmpty { body(rest) }
        rest = []
    }
}
