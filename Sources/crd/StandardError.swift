// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// Where messages to the person at the terminal go.
enum StandardError {
    static func say(_ message: String) { write("crd: \(message)\n") }

    /// Without the end of a line: somebody is to answer there.
    static func ask(_ question: String) { write(question) }

    private static func write(_ text: String) {
        _ = text.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
    }
}
