// SPDX-License-Identifier: GPL-3.0-or-later

/// Quotes text from a file for a message: short, without terminal commands, and unable to forge a
/// second log line.
enum QuotedText {
    private static let lengthMax = 64

    static func double(_ text: String) -> String { "\"\(plain(text))\"" }

    static func single(_ text: String) -> String { "'\(plain(text))'" }

    private static func plain(_ text: String) -> String {
        var result = ""
        for (index, scalar) in text.unicodeScalars.enumerated() {
            if index == lengthMax { return result + "…" }
            if PrintableText.isPlain(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return result
    }
}
