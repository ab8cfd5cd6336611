// SPDX-License-Identifier: GPL-3.0-or-later

/// A unit of systemd (systemd.unit(5)), as the journal has it in `_SYSTEMD_UNIT`.
public struct UnitName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// As for systemctl(1), what has no unit's suffix is a service, whatever dots are in its name.
    /// Nil for what no unit can be called.
    public init?(_ text: String) {
        let name = Self.hasSuffix(text) ? text : text + Self.suffixes[0]
        let isWellFormed = text.allSatisfy {
            $0.isASCII && ($0.isLetter || $0.isNumber || ":-_.\\@".contains($0))
        }
        guard isWellFormed, let first = text.first, !"@.".contains(first), name.utf8.count <= 255
        else { return nil }
        description = name
    }

    /// Whether a name tells what kind of unit it is.
    static func hasSuffix(_ text: String) -> Bool { suffixes.contains(where: text.hasSuffix) }

    /// Whether it is a template, of which only instances run.
    static func isTemplate(_ text: String) -> Bool {
        suffixes.contains { text.hasSuffix("@\($0)") }
    }

    /// A glob for all instances of a template.
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
