// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// Prints messages for the user. All messages of the commands go through here.
enum StandardError {
    /// Prints a message of one line.
    ///
    /// - Parameter interruption: after it, a reader that does not read is no longer waited for.
    static func say(_ message: String, unless interruption: InterruptSignals? = nil) {
        write("crd: \(PrintableText.of(message))\n", unless: interruption)
    }

    /// Prints one message of several lines.
    static func say(lines: [String]) {
        write("crd: \(lines.map(PrintableText.of).joined(separator: "\n"))\n")
    }

    /// Prints crd's own text, with its line ends and tabs.
    static func say(text: String) { write("\(PrintableText.lines(text))\n") }

    /// Prints a question without a line end, for the answer on the same line.
    static func ask(_ question: String) { write(PrintableText.of(question)) }

    private static func write(_ text: String, unless interruption: InterruptSignals? = nil) {
        var text = text
        text.withUTF8 {
            EchoSink(to: STDERR_FILENO, unless: interruption)
                .receive(UnsafeRawBufferPointer($0))
        }
    }
}
