// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
public import SystemPackage

/// Where a module keeps what lasts, its `CRD_STATE`: one directory for all roles where they run as the
/// same user, and one for each where not.
public struct ModuleStateDirectories: Sendable {
    private let own: FilePath
    private let accounts: [Role: UserAccount]

    /// - Parameter state: the daemon's state directory.
    public init(of module: InstalledModule, below state: FilePath) {
        own = StateLayout(state).modules.appending(module.name.description)
        accounts = module.accounts
    }

    private var areShared: Bool { Set(accounts.values.map(\.uid)).count == 1 }

    public func path(of role: Role) -> FilePath {
        areShared ? own : own.appending(role.rawValue)
    }

    /// Makes them, each its role's user's own.
    public func make() throws(SystemCallError) {
        // Each role must get through to its own below it.
        if !areShared { try Directory.makePrivate(own, owner: .daemon, mode: 0o711) }
        for role in Role.allCases {
            guard let account = accounts[role] else { continue }
            try Directory.makePrivate(path(of: role), owner: account)
        }
    }
}
