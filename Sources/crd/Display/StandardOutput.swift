// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// Prints answers. All answers of the commands go through here. Names, reasons and descriptions may
/// come from others; they must neither control the terminal nor start a line of their own.
enum StandardOutput {
    static func say(_ line: some CustomStringConvertible) {
        print(PrintableText.of(line.description))
    }

    /// Prints crd's own text, with its line ends and tabs.
    static func say(text: String) { print(PrintableText.lines(text)) }

    /// Prints JSON of several lines; unprintable characters occur only in strings, where they are
    /// escaped.
    static func say(json: String) { print(PrintableText.json(json)) }

    /// Writes what is buffered (fflush(3)), before the command ends. Undelivered output is a failure,
    /// unless its reader has gone away.
    static func flush() {
        guard fflush(nil) != 0, errno != EPIPE else { return }
        StandardError.say("standard output: \(Errno(rawValue: errno))")
        Glibc.exit(1)
    }
}
