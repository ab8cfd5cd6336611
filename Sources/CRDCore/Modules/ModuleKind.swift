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

    /// Returns why the files in a directory make no module of either kind, to follow its name.
    public static func objection(toModule name: String, has: (String) -> Bool) -> String {
        let (check, response) = (Role.check.rawValue, Role.response.rawValue)
        return switch (has(check), has(response), has(name)) {
        case (true, false, false): "has '\(check)', but no '\(response)'; a user module has both"
        case (false, true, false): "has '\(response)', but no '\(check)'; a user module has both"
        default:
            "is not a module: a user module has '\(check)' and '\(response)', a support module an executable called '\(name)' and neither of those"
        }
    }
}
