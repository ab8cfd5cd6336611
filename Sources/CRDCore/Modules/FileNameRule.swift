// SPDX-License-Identifier: GPL-3.0-or-later

/// Checks the paths of a module's files.
public enum FileNameRule {
    /// Returns what is wrong with a path below a module's directory, to follow "which"; nil if
    /// nothing is.
    public static func objection(to path: String) -> String? {
        if path.utf8.count > pathMax { return "is longer than \(pathMax) bytes" }
        if path.utf8.first == UInt8(ascii: "/") { return "is an absolute path" }
        if !PrintableText.isPlain(path) { return "has control characters in its name" }
        for part in path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        {
            switch String(Substring(part)) {
            case "", ".", "..": return "contains '.', '..' or an empty component"
            case let name where name.lowercased() == ".git": return "is git's own"
            case let name where name.utf8.count > nameMax:
                return "has a component of more than \(nameMax) bytes"
            default: continue
            }
        }
        return nil
    }

    /// Leaves room for the path of the directory above it.
    private static let pathMax = 1_024
    /// NAME_MAX of limits.h.
    private static let nameMax = 255
}
