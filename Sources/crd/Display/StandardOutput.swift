// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Where answers go. Nothing else prints there: names, reasons and descriptions are others' words,
/// and none of them may command the terminal or begin a line of its own.
enum StandardOutput {
    static func say(_ line: some CustomStringConvertible) {
        print(PrintableText.of(line.description))
    }

    /// Text of our own, with its line ends and tabs.
    static func say(text: String) { print(PrintableText.lines(text)) }

    /// JSON of several lines: whatever is not printed stands in a string and is escaped there.
    static func say(json: String) { print(PrintableText.json(json)) }
}
