// SPDX-License-Identifier: GPL-3.0-or-later

/// A unit's name, or a glob for several, in the syntax of `journalctl --unit`.
public struct UnitPattern: Hashable, Codable, Sendable {
    /// A name with its suffix, or a glob.
    public let text: String
    /// Whether fnmatch(3) must find the names that it stands for.
    public let isGlob: Bool

    /// Whether it may stand for slices, whose entries include those of all units in them.
    public var isSlice: Bool { isGlob || text.hasSuffix(".slice") }

    /// Whether a glob ends in a unit type; if not, names that end in ".service" match too.
    public var hasSuffix: Bool { UnitName.hasSuffix(text) }

    /// What is wrong with a text, to follow the quoted text.
    struct Malformed: Error {
        let reason: String
    }

    init(parsing text: String) throws(Malformed) {
        isGlob = Self.isGlob(text)
        if text.isEmpty { throw Malformed(reason: "is empty") }
        if text.hasPrefix("/") {
            throw Malformed(
                reason: "is a path; write the unit's name, which systemd-escape --path prints")
        }
        guard isGlob else {
            guard let name = UnitName(text) else {
                throw Malformed(reason: "is not a unit's name (systemd.unit(5))")
            }
            self.text = name.description
            return
        }
        do throws(Glob.Malformed) {
            // As in journalctl, a backslash stands for itself, for example in the name of a mount.
            _ = try Glob(parsing: text.filter { $0 != "\\" })
        } catch {
            throw Malformed(reason: error.reason)
        }
        self.text = text
    }

    static func isGlob(_ text: String) -> Bool {
        text.utf8.contains { "*?[".utf8.contains($0) }
    }
}
