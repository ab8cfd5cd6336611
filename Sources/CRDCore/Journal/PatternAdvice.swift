// SPDX-License-Identifier: GPL-3.0-or-later

/// Finds syntax that versions of PCRE2 understand differently: `{,5}` and spaces in a quantifier
/// are plain text before 10.43, and a quantifier since (pcre2pattern(3)).
enum PatternAdvice {
    /// Returns a warning to follow the quoted key; nil where all versions agree on the pattern.
    static func warning(about pattern: String) -> String? {
        var rest = Substring(pattern).utf8
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\\"): skipEscape(&rest)
            case UInt8(ascii: "["): skipClass(&rest)
            case UInt8(ascii: "{"):
                guard let inside = quantifier(rest) else { continue }
                let least = inside.hasPrefix(",") ? "0" : ""
                return "{\(Substring(rest.prefix { $0 != end }))} is plain text to PCRE2 before "
                    + "10.43 and a quantifier from then on; write {\(least)\(inside)} for the "
                    + "quantifier, or \\{ for the text"
            default: continue
            }
        }
        return nil
    }

    private static let end = UInt8(ascii: "}")

    /// Skips quoted text, which is not a quantifier: `\{`, and `\Q` to `\E`.
    private static func skipEscape(_ rest: inout Substring.UTF8View) {
        guard rest.popFirst() == UInt8(ascii: "Q") else { return }
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "E") { return }
        }
    }

    private static func skipClass(_ rest: inout Substring.UTF8View) {
        if rest.first == UInt8(ascii: "^") { rest.removeFirst() }
        // A ']' that comes first stands for itself.
        if rest.first == UInt8(ascii: "]") { rest.removeFirst() }
        while let byte = rest.popFirst(), byte != UInt8(ascii: "]") {
            if byte == UInt8(ascii: "\\") { _ = rest.popFirst() }
        }
    }

    /// Returns the inside of a quantifier that only newer versions know, without its spaces.
    private static func quantifier(_ rest: Substring.UTF8View) -> String? {
        let inside = rest.prefix { $0 != end }
        guard inside.count < rest.count, inside.count <= 16 else { return nil }
        let isSpace: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        let plain = String(decoding: inside.filter { !isSpace($0) }, as: UTF8.self)
        let parts = plain.split(separator: ",", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.contains(where: { !$0.isEmpty }),
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return nil }
        return parts[0].isEmpty || inside.contains(where: isSpace) ? plain : nil
    }
}
