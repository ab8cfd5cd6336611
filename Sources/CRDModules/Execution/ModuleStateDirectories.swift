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
                + "the old one as its owner, copy what the module needs, and remove the old one"
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
        let all = own.removingLastComponent()
        guard let name = own.lastComponent else { preconditionFailure("\(own) has no name") }
        if FileStatus(of: all) == nil { try Directory.make(all, mode: 0o755) }
        let modules = try OpenDirectory.open(all)
        var former: [Former] = []
        if areShared {
            guard let account = accounts.values.first else { return [] }
            _ = try make(name, in: modules, for: account, mode: 0o700, isForRoles: false, &former)
            return former
        }
        // Each role must be able to reach its own directory below it.
        let directory = try make(
            name, in: modules, for: .daemon, mode: 0o711, isForRoles: true, &former)
        for role in Role.allCases {
            guard let account = accounts[role] else { continue }
            _ = try make(
                role.fileName, in: directory, for: account, mode: 0o700, isForRoles: false,
                &former)
        }
        return former
    }

    private func make(
        _ name: FilePath.Component, in parent: borrowing OpenDirectory, for account: UserAccount,
        mode: ModeBits, isForRoles: Bool, _ former: inout [Former]
    ) throws(SystemCallError) -> OpenDirectory {
        do throws(SystemCallError) {
            let directory = try parent.openUnlessStalling(name)
            let reason = try objection(to: directory, for: account, isForRoles: isForRoles)
            guard let reason else {
                // Another user's own directory stays as it is: that user can hold its lock, for which
                // chmod(2) and every look into it would wait.
                if account.uid == UserAccount.daemon.uid {
                    try directory.give(to: account, mode: mode)
                }
                return directory
            }
            let aside = try Self.putAside(directory.path, in: parent)
            former.append(Former(path: directory.path, aside: aside, reason: reason))
        } catch let error where error.errno == .noSuchFileOrDirectory {
            // It is made below.
        }
        try parent.makeDirectory(name, mode: mode)
        let directory = try parent.openUnlessStalling(name)
        try directory.give(to: account, mode: mode)
        return directory
    }

    /// Returns why a directory must not be used any more; nil if it may be.
    private func objection(
        to directory: borrowing OpenDirectory, for account: UserAccount, isForRoles: Bool
    ) throws(SystemCallError) -> String? {
        let owner = try directory.status().owner
        if owner != account.uid {
            let name = UserAccount.localName(of: owner).map { "\($0) (uid \(owner))" }
            return "belongs to \(name ?? "uid \(owner)"), and not to \(account.name)"
        }
        guard isForRoles else {
            // One that held a directory for each role is the daemon's.
            guard account.uid == UserAccount.daemon.uid else { return nil }
            for role in Role.allCases where Self.holds(role, of: account, directory) {
                return "holds a directory for each role, but the roles now run as one user"
            }
            return nil
        }
        // Other users can traverse this one, unlike a directory that all roles share.
        let holdsMore = Directory.entries(of: directory.path).contains { entry in
            !Role.allCases.contains {
                entry.string == $0.rawValue || entry.string.hasPrefix("\($0.rawValue).~")
            }
        }
        return holdsMore ? "was for all roles, which run as different users now" : nil
    }

    /// Returns whether it holds a directory of that role for another user.
    private static func holds(
        _ role: Role, of account: UserAccount, _ directory: borrowing OpenDirectory
    ) -> Bool {
        do throws(SystemCallError) {
            return try directory.openUnlessStalling(role.fileName).status().owner
                != account.uid
        } catch {
            return error.errno == .improperLink
        }
    }

    /// Renames it to a name that no module can have, as `cp --backup=numbered` does.
    private static func putAside(
        _ path: FilePath, in parent: borrowing OpenDirectory
    ) throws(SystemCallError) -> FilePath {
        // A former user may have mounted something on one that was put aside, so they are not looked at.
        let names = Set(Directory.entries(of: parent.path).map(\.string))
        var number = 1
        func aside() -> FilePath { FilePath("\(path).~\(number)~") }
        while let name = aside().lastComponent?.string, names.contains(name) { number += 1 }
        try DurableFile.move(path, to: aside())
        return aside()
    }
}
