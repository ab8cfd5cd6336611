// SPDX-License-Identifier: GPL-3.0-or-later

/// Text from anywhere as it may be shown: on one line, and unable to command a terminal.
public enum PlainText {
    /// The same with a question mark for each character that is not printed, as ls(1) shows names.
    public static func of(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { isPlain($0) ? $0 : "?" }))
    }

    /// Whether there is nothing in it that is not printed.
    public static func isPlain(_ text: String) -> Bool { text.unicodeScalars.allSatisfy(isPlain) }

    /// Whether it is printed, and no end of a line.
    static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
