// SPDX-License-Identifier: GPL-3.0-or-later

/// A well-formed pattern for names, in the syntax of glob(7); fnmatch(3) does the matching.
public struct Glob: Hashable, Sendable {
    public let pattern: String

    /// What is wrong with a pattern, to follow "the pattern".
    struct Malformed: Error {
        let reason: String
    }

    init(parsing pattern: String) throws(Malformed) {
        if let reason = Self.objection(to: pattern) { throw Malformed(reason: reason) }
        self.pattern = pattern
    }

    /// Creates a glob from a pattern that was parsed before; nil where it is malformed.
    public init?(_ pattern: String) {
        guard Self.objection(to: pattern) == nil else { return nil }
        self.pattern = pattern
    }

    /// Returns what is wrong with a pattern. fnmatch(3) accepts any pattern, but a malformed one
    /// matches nothing.
    private static func objection(to pattern: String) -> String? {
        if pattern.isEmpty { return "is empty" }
        var rest = Substring(pattern).utf8
        while let byte = rest.popFirst() {
            switch byte {
            case 0: return "has a NUL byte"
            case UInt8(ascii: "/"): return "has a slash, but is compared with names, not paths"
            case UInt8(ascii: "\\") where rest.popFirst() == nil: return "ends in a backslash"
            case UInt8(ascii: "["):
                if let reason = objectionToBracket(&rest) { return reason }
            default: break
            }
        }
        return nil
    }

    /// Removes the inside and the end of a bracket expression from the front of `inside`.
    private static func objectionToBracket(_ inside: inout Substring.UTF8View) -> String? {
        if let first = inside.first, first == UInt8(ascii: "!") || first == UInt8(ascii: "^") {
            inside.removeFirst()
        }
        // A ']' that comes first stands for itself.
        if inside.first == UInt8(ascii: "]") { inside.removeFirst() }
        while let byte = inside.popFirst() {
            if byte == UInt8(ascii: "]") { return nil }
            if byte == UInt8(ascii: "\\") { _ = inside.popFirst() }
            guard byte == UInt8(ascii: "["), let kind = inside.first,
                [UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: "=")].contains(kind)
            else { continue }
            // A class such as [:digit:] ends in its own ":]".
            inside.removeFirst()
            let name = inside
            while let inner = inside.popFirst() {
                if inner == kind && inside.first == UInt8(ascii: "]") { break }
            }
            let length = name.count - inside.count - 1
            guard inside.popFirst() != nil else { break }
            guard kind == UInt8(ascii: ":") else { continue }
            let named = String(Substring(name.prefix(length)))
            if !classes.contains(named) { return "has the unknown class [:\(named):]" }
        }
        return "has a '[' without its ']'"
    }

    /// The class names of wctype(3).
    private static let classes: Set<String> = [
        "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "xdigit",
    ]
}
