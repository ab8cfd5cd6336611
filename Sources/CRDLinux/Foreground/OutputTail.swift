// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// The last few lines of all output.
public final class OutputTail {
    private static let bytesMax = 4_096
    private static let linesMax = 20
    private var bytes: [UInt8] = []

    public init() {}

    func append(_ received: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: received)
        if bytes.count > 2 * Self.bytesMax { bytes.removeFirst(bytes.count - Self.bytesMax) }
    }

    /// The lines without control characters, which could control the terminal.
    public var lines: [String] {
        bytes.suffix(Self.bytesMax).split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            .suffix(Self.linesMax)
            .map { line in
                let words = line.split(
                    separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
                return words.map { PrintableText.of(String(decoding: $0, as: UTF8.self)) }
                    .joined(separator: "\t")
            }
    }
}
