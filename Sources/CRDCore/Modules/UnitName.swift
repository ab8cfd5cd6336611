// SPDX-License-Identifier: GPL-3.0-or-later

/// The name of a systemd unit (systemd.unit(5)), as in the journal's `_SYSTEMD_UNIT`.
public struct UnitName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Creates a unit's name. As for systemctl(1), a name without a unit's suffix is a service,
    /// even if it has dots. Nil for text that cannot be a unit's name.
    public init?(_ text: String) {
        let name = Self.hasSuffix(text) ? text : text + Self.suffixes[0]
        let isWellFormed = text.allSatisfy {
            $0.isASCII && ($0.isLetter || $0.isNumber || ":-_.\\@".contains($0))
        }
        guard isWellFormed, let first = text.first, !"@.".contains(first), name.utf8.count <= 255
        else { return nil }
        description = name
    }

    /// Returns whether a name has the suffix of a unit type.
    static func hasSuffix(_ text: String) -> Bool { suffixes.contains(where: text.hasSuffix) }

    /// Returns whether a name is that of a template, of which only instances run.
    static func isTemplate(_ text: String) -> Bool {
        suffixes.contains { text.hasSuffix("@\($0)") }
    }

    /// Returns a glob for all instances of a template.
    static func instances(of template: String) -> String {
        let place = template.lastIndex(of: "@").map { template.index(after: $0) }
        guard let place else { return template }
        return "\(template[..<place])*\(template[place...])"
    }

    private static let suffixes = [
        ".service", ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path",
        ".timer", ".slice", ".scope",
    ]
}
