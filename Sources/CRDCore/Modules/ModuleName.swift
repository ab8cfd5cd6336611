// SPDX-License-Identifier: GPL-3.0-or-later

/// The name of a module, which is that of its directory: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
public struct ModuleName: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let description: String

    /// The longest name, in bytes.
    private static let lengthMax = 64

    /// What a name consists of, for messages: `at most 64 letters …`.
    public static let rule =
        "at most \(lengthMax) letters, digits, '.', '_' and '-', a letter or digit first"

    /// Nil for a name that is not allowed.
    public init?(_ text: String) {
        let bytes = text.utf8
        guard let first = bytes.first, Self.isAlphanumeric(first), bytes.count <= Self.lengthMax
        else { return nil }
        for byte in bytes where !Self.isAlphanumeric(byte) {
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): continue
            default: return nil
            }
        }
        description = text
    }

    /// Returns whether a directory of this name is silently skipped. As in run-parts(8), these are
    /// the leftovers of editors and packagers: a leading dot, or `~`, `.bak`, `.dpkg-*` at the end.
    public static func isSkipped(_ text: String) -> Bool {
        if text.hasPrefix(".") || text.hasSuffix("~") || text.hasSuffix(".bak") { return true }
        guard let dot = text.lastIndex(of: ".") else { return false }
        return text[dot...].hasPrefix(".dpkg-")
    }

    public static func < (left: ModuleName, right: ModuleName) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }
}
