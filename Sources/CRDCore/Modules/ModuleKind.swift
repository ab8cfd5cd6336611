// SPDX-License-Identifier: GPL-3.0-or-later

/// The kind of a module: run by the daemon, or called with `crd -x`.
public enum ModuleKind: String, Codable, Sendable {
    case user, support

    /// Returns whether an executable of that name has another meaning in a module.
    public static func isTaken(_ name: String) -> Bool {
        ["check", "response", "recovery", "escalation", "install", "rollback"].contains(name)
    }

    /// Finds the kind from the files in the directory: a user module has `check` and `response`, a
    /// support module an executable of its own name and neither of those. Nil for anything else.
    ///
    /// - Parameter has: returns whether a file of that name is in the directory.
    public init?(ofModule name: String, has: (String) -> Bool) {
        switch (has(Role.check.rawValue), has(Role.response.rawValue), has(name)) {
        case (true, true, _): self = .user
        case (false, false, true) where !Self.isTaken(name): self = .support
        default: return nil
        }
    }
}
