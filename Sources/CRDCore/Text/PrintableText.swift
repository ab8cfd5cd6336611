// SPDX-License-Identifier: GPL-3.0-or-later

/// Text from anywhere as it may be shown: on one line, and unable to command a terminal (G15).
///
/// Names, reasons and errors pass through here on their way out, at the few places where anything is
/// printed or logged: so none of them can forge a line, whoever has made it up.
public enum PrintableText {
    /// The same with a question mark for each character that is not printed, as ls(1) shows names.
    public static func of(_ text: String) -> String { of(text, keeping: []) }

    /// The same of a text of our own: its line ends and tabs stay.
    public static func lines(_ text: String) -> String { of(text, keeping: ["\n", "\t"]) }

    /// The same of a line that a program has printed; tabs stay.
    public static func of(line: [UInt8]) -> [UInt8] {
        if line.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == 0x09 }) { return line }
        return Array(of(String(decoding: line, as: UTF8.self), keeping: ["\t"]).utf8)
    }

    /// The same of JSON, which may have line ends between its values: what is not printed stands in
    /// its strings, and is escaped there (RFC 8259, section 7).
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

    /// Whether there is nothing in it that is not printed.
    public static func isPlain(_ text: String) -> Bool {
        // Nearly all text is ASCII, of which one comparison a byte tells.
        text.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
            || text.unicodeScalars.allSatisfy(isPlain)
    }

    /// Whether it is printed, and no end of a line.
    static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
