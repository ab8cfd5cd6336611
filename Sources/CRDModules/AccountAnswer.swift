// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDLinux

/// The name service's answer about a user that a module names.
public enum AccountAnswer {
    case found(UserAccount)
    case unknown
    /// The name service has not answered yet.
    case pending

    /// Asks the name service and waits for the answer; for commands, not for the daemon.
    public static func waiting(for name: String) -> AccountAnswer {
        UserAccount.named(name).map(Self.found) ?? .unknown
    }
}
