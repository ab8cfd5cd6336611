// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// Where messages to the person at the terminal go. Nothing else prints there, as with
/// `StandardOutput`.
enum StandardError {
    /// - Parameter interruption: after which a reader that does not read is not waited for.
    static func say(_ message: String, unless interruption: InterruptSignals? = nil) {
        write("crd: \(PrintableText.of(message))\n", unless: interruption)
    }

    /// One message of several lines.
    static func say(lines: [String]) {
        write("crd: \(lines.map(PrintableText.of).joined(separator: "\n"))\n")
    }

    /// Text of our own, with its line ends and tabs.
    static func say(text: String) { write("\(PrintableText.lines(text))\n") }

    /// Without the end of a line: somebody is to answer there.
    static func ask(_ question: String) { write(PrintableText.of(question)) }

    private static func write(_ text: String, unless interruption: InterruptSignals? = nil) {
        var text = text
        text.withUTF8 {
            EchoSink(to: STDERR_FILENO, unless: interruption)
                .receive(UnsafeRawBufferPointer($0))
        }
    }
}
