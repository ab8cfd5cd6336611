// SPDX-License-Identifier: GPL-3.0-or-later

/// A unit's name, or a glob for several, as `journalctl --unit` takes it.
public struct UnitPattern: Hashable, Codable, Sendable {
    /// A name with its suffix, or a glob.
    public let text: String
    /// Whether it stands for names that fnmatch(3) has to find.
    public let isGlob: Bool

    /// Whether it may stand for slices, of which the entries of all that is in them are told.
    public var isSlice: Bool { isGlob || text.hasSuffix(".slice") }

    /// Whether a glob tells what kind of unit it is for; if not, ".service" is understood too.
    public var hasSuffix: Bool { UnitName.hasSuffix(text) }

    /// What is wrong with a text, completing ""text" …".
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
            // As for journalctl, a backslash stands for itself, as in the name of a mount.
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
