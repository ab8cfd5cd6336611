// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Glibc

/// Where messages to the person at the terminal go.
enum StandardError {
    static func say(_ message: String) { write("crd: \(message)\n", unless: nil) }

    /// - Parameter interruption: after which a reader that does not read is not waited for.
    static func say(_ message: String, unless interruption: Interruption?) {
        write("crd: \(message)\n", unless: interruption)
    }

    /// Without the end of a line: somebody is to answer there.
    static func ask(_ question: String) { write(question, unless: nil) }

    private static func write(_ text: String, unless interruption: Interruption?) {
        let output = PassedOutput(to: STDERR_FILENO, keeping: OutputEnd(), unless: interruption)
        var text = text
        text.withUTF8 { output.receive(UnsafeRawBufferPointer($0)) }
    }
}
