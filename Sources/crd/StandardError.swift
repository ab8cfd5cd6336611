// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Glibc

/// Where messages to the person at the terminal go.
enum StandardError {
    /// - Parameter interruption: after which a reader that does not read is not waited for.
    static func say(_ message: String, unless interruption: Interruption? = nil) {
        write("crd: \(message)\n", unless: interruption)
    }

    /// Without the end of a line: somebody is to answer there.
    static func ask(_ question: String) { write(question) }

    private static func write(_ text: String, unless interruption: Interruption? = nil) {
        var text = text
        text.withUTF8 {
            PassedOutput(to: STDERR_FILENO, unless: interruption)
                .receive(UnsafeRawBufferPointer($0))
        }
    }
}
