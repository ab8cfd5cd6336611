// SPDX-License-Identifier: GPL-3.0-or-later

/// A branch, a tag or a commit to fetch, as the user named it (gitrevisions(7), gitglossary(7)).
public struct GitReference: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// The repository's default branch.
    public static let head = GitReference(known: "HEAD")

    private init(known: String) {
        description = known
    }

    /// Nil for text that git would take for an option, a pattern or a pair
    /// (git-check-ref-format(1)).
    public init?(_ text: String) {
        let isPlain = text.unicodeScalars.allSatisfy {
            $0.value > 0x20 && $0.value != 0x7F && !"~^:?*[\\".unicodeScalars.contains($0)
        }
        guard isPlain, !text.isEmpty, text.utf8.count <= 255, !"-+./".contains(text.first ?? "-"),
            !text.hasSuffix("/"), !text.hasSuffix(".lock"), !text.hasSuffix("."),
            !["..", "@{", "//", "/."].contains(where: text.contains)
        else { return nil }
        description = text
    }
}
