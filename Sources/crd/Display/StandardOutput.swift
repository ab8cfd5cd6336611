// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

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
}
