// SPDX-License-Identifier: GPL-3.0-or-later

/// What a module is for: run by the daemon, or called with `crd -x`.
public enum ModuleKind: String, Codable, Sendable {
    case user, support

    /// Whether an executable of that name means something else in a module.
    public static func isTaken(_ name: String) -> Bool {
        ["check", "response", "recovery", "escalation", "install", "rollback"].contains(name)
    }

    /// Read from what is in its directory: a user module has `check` and `response`, a support
    /// module an executable of its own name and neither of those. Nil for anything else.
    ///
    /// - Parameter has: whether there is something of that name in the directory.
    public init?(ofModule name: String, has: (String) -> Bool) {
        switch (has(Role.check.rawValue), has(Role.response.rawValue), has(name)) {
        case (true, true, _): self = .user
        case (false, false, true) where !Self.isTaken(name): self = .support
        default: return nil
        }
    }
}
