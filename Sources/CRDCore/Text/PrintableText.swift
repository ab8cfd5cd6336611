// SPDX-License-Identifier: GPL-3.0-or-later

/// Text from any source in a form that is safe to show: on one line, and without terminal commands
/// (G15).
///
/// Names, reasons and errors pass through here at the few places where text is printed or logged.
/// So none of them can forge a line, whoever wrote it.
public enum PrintableText {
    /// Returns text with a question mark for each character that is not printable, as ls(1) does.
    public static func of(_ text: String) -> String { of(text, keeping: []) }

    /// Does the same for a text of the program's own, whose line ends and tabs stay.
    public static func lines(_ text: String) -> String { of(text, keeping: ["\n", "\t"]) }

    /// Does the same for a line that another program has printed; tabs stay.
    public static func of(line: [UInt8]) -> [UInt8] {
        if line.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == 0x09 }) { return line }
        return Array(of(String(decoding: line, as: UTF8.self), keeping: ["\t"]).utf8)
    }

    /// Does the same for JSON, which may have line ends between its values. Characters that are not
    /// printable occur in its strings, and are escaped there (RFC 8259, section 7).
    public static func json(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            guard scalar != "\n", !isPlain(scalar) else {
                result.unicodeScalars.append(scalar)
                continue
            }
            for unit in UTF16.encode(scalar)! {
                let digits = String(unit, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return result
    }

    private static func of(_ text: String, keeping kept: Set<Unicode.Scalar>) -> String {
        if isPlain(text) { return text }
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { isPlain($0) || kept.contains($0) ? $0 : "?" }))
    }

    /// Returns whether all characters are printable.
    public static func isPlain(_ text: String) -> Bool {
        // Nearly all text is ASCII, for which one comparison per byte is enough.
        text.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
            || text.unicodeScalars.allSatisfy(isPlain)
    }

    /// Returns whether a character is printable and does not end a line.
    static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
