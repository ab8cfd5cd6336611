// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// git's output, kept for a message. Only its own progress lines are shown: text that comes from a
/// server could control the terminal.
public final class GitProgressSink: OutputSink {
    private static let shown = ["Receiving objects: ", "Resolving deltas: "]
    private static let lineMax = 200

    private let descriptor: CInt?
    private let end: OutputTail
    private var line: [UInt8] = []

    /// - Parameter descriptor: where to show progress; nil for nowhere.
    public init(to descriptor: CInt?, keeping end: OutputTail) {
        self.descriptor = descriptor
        self.end = end
    }

    public func receive(_ bytes: UnsafeRawBufferPointer) {
        end.append(bytes)
        guard let descriptor else { return }
        for byte in bytes {
            if line.count < Self.lineMax { line.append(byte) }
            guard byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") else { continue }
            let text = String(decoding: line, as: UTF8.self)
            if Self.shown.contains(where: text.hasPrefix) {
                let plain = Array(PrintableText.of(String(text.dropLast())).utf8) + [byte]
                _ = write(descriptor, plain, plain.count)
            }
            line = []
        }
    }

    public func outputHasEnded() {}
}
