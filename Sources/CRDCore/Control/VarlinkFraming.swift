// SPDX-License-Identifier: GPL-3.0-or-later

/// Splits a stream of bytes into Varlink messages: JSON objects, each followed by a NUL byte.
public struct VarlinkFraming: Sendable {
    /// The longest call in bytes; the daemon's methods need only a name or two.
    public static let lengthMax = 64 << 10

    /// More than `lengthMax` bytes came without a NUL.
    public struct TooLong: Error {}

    private let lengthMax: Int
    private var rest: [UInt8] = []

    public init(lengthMax: Int = VarlinkFraming.lengthMax) {
        self.lengthMax = lengthMax
    }

    /// Returns the complete messages, without their NUL.
    public mutating func feed(_ bytes: some Sequence<UInt8>) throws(TooLong) -> [[UInt8]] {
        var messages: [[UInt8]] = []
        for byte in bytes {
            if byte == 0 {
                messages.append(rest)
                rest = []
                continue
            }
            guard rest.count < lengthMax else { throw TooLong() }
            rest.append(byte)
        }
        return messages
    }
}
