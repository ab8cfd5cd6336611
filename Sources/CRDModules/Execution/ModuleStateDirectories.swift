// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
public import SystemPackage

/// The directories for a module's persistent data, `CRD_STATE`: one for all roles if they run as
/// the same user, otherwise one for each role.
public struct ModuleStateDirectories: Sendable {
    private let own: FilePath
    private let accounts: [Role: UserAccount]

    /// - Parameter state: the daemon's state directory.
    public init(of module: ModuleOnDisk, below state: FilePath) {
        own = StateLayout(state).modules.appending(module.name.description)
        accounts = module.accounts
    }

    private var areShared: Bool { Set(accounts.values.map(\.uid)).count == 1 }

    public func path(of role: Role) -> FilePath {
        areShared ? own : own.appending(role.rawValue)
    }

    /// A directory that was moved aside, since it belonged to another user.
    public struct Former: CustomStringConvertible, Sendable {
        let path: FilePath
        let aside: FilePath
        /// What was wrong with it.
        let reason: String

        public var description: String {
            "\(path) \(reason), so it was put aside as \(aside), and an empty one was made; look through "
                + "it as its owner, copy what the module needs, and remove it"
        }
    }

    /// Makes the directories, each owned by its role's user, in a directory that only the daemon's
    /// user can change.
    ///
    /// A directory of another user is moved aside. A symbolic link in it could make the new user
    /// write elsewhere, and its files may not be meant for the new user.
    ///
    /// - Returns: the directories that were moved aside.
    public func make() throws(SystemCallError) -> [Former] {
        var former: [Former] = []
        if !areShared {
            // Each role must be able to reach its own directory below it.
            try make(own, for: .daemon, mode: 0o711, isForRoles: true, &former)
        }
        for role in Role.allCases {
            guard let account = accounts[role] else { continue }
            try make(path(of: role), for: account, mode: 0o700, isForRoles: false, &former)
        }
        return former
    }

    private func make(
        _ path: FilePath, for account: UserAccount, mode: ModeBits, isForRoles: Bool,
        _ former: inout [Former]
    ) throws(SystemCallError) {
        if let status = FileStatus(of: path, followingLinks: false), status.kind == .directory,
            let reason = objection(to: path, status, for: account, isForRoles: isForRoles)
        {
            let aside = try Self.putAside(path)
            former.append(Former(path: path, aside: aside, reason: reason))
        }
        try Directory.makePrivate(path, owner: account, mode: mode)
    }

    /// Returns why a directory must not be used any more; nil if it may be.
    private func objection(
        to path: FilePath, _ status: FileStatus, for account: UserAccount, isForRoles: Bool
    ) -> String? {
        if status.owner != account.uid {
            let name = UserAccount.localName(of: status.owner).map { "\($0) (uid \(status.owner))" }
            return "belongs to \(name ?? "uid \(status.owner)"), and not to \(account.name)"
        }
        guard isForRoles else {
            let foreign = Role.allCases.contains {
                FileStatus(of: path.appending($0.rawValue), followingLinks: false)
                    .map { $0.kind == .directory && $0.owner != account.uid } ?? false
            }
            return foreign
                ? "holds a directory for each role, but the roles now run as one user" : nil
        }
        // Other users can traverse this one, unlike a directory that all roles share.
        let holdsMore = Directory.entries(of: path).contains { entry in
            !Role.allCases.contains {
                entry.string == $0.rawValue || entry.string.hasPrefix("\($0.rawValue).~")
            }
        }
        return holdsMore ? "was for all roles, which run as different users now" : nil
    }

    /// Renames it to a name that no module can have, as `cp --backup=numbered` does.
    private static func putAside(_ path: FilePath) throws(SystemCallError) -> FilePath {
        var number = 1
        func aside() -> FilePath { FilePath("\(path).~\(number)~") }
        while FileStatus(of: aside(), followingLinks: false) != nil { number += 1 }
        try DurableFile.move(path, to: aside())
        return aside()
    }
}
