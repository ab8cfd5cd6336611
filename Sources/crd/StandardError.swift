// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// Where messages to the person at the terminal go.
enum StandardError {
    static func say(_ message: String) {
        let line = "crd: \(message)\n"
        _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
