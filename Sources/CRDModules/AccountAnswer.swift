// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDLinux

/// What is known of a user that a module names.
public enum AccountAnswer {
    case found(UserAccount)
    case unknown
    /// The name service has not answered yet.
    case pending

    /// Asks the name service and waits for it, as a command may.
    public static func waiting(for name: String) -> AccountAnswer {
        UserAccount.named(name).map(Self.found) ?? .unknown
    }
}
