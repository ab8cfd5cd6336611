// SPDX-License-Identifier: GPL-3.0-or-later

/// The names that a file of a module may have.
public enum FileNameRule {
    /// What is wrong with a path below a module's directory, completing "which …"; nil if nothing.
    public static func objection(to path: String) -> String? {
        if path.utf8.count > pathMax { return "is longer than \(pathMax) bytes" }
        if path.utf8.first == UInt8(ascii: "/") { return "is an absolute path" }
        if !PrintableText.isPlain(path) { return "has control characters in its name" }
        for part in path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        {
            switch String(Substring(part)) {
            case "", ".", "..": return "leads out of its directory, or would on another way"
            case let name where name.lowercased() == ".git": return "is git's own"
            case let name where name.utf8.count > nameMax:
                return "has a component of more than \(nameMax) bytes"
            default: continue
            }
        }
        return nil
    }

    /// Leaves room for the directory that it comes below.
    private static let pathMax = 1_024
    /// NAME_MAX of limits.h.
    private static let nameMax = 255
}
