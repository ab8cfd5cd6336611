// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import Glibc
public import SystemPackage

/// A module's directory as it was found.
public struct InstalledModule: Sendable {
    public enum Kind: String, Sendable {
        case user, support
    }

    public let name: ModuleName
    public let kind: Kind
    public let directory: FilePath
    public let manifest: Manifest
    /// Who each role runs as.
    public let accounts: [Role: UserAccount]
    /// What must be mended and read again before the module can run.
    public let complaints: [Diagnostic]
    /// What is wrong with its executables; they are looked at again before each run.
    public let executableComplaints: [Diagnostic]

    /// The file that is executed for a role.
    public func executable(_ role: Role) -> FilePath {
        directory.appending(role.rawValue)
    }

    /// Looks again at all that decides what a run executes: the directory and those above it, the
    /// manifest, and the executables.
    ///
    /// - Throws: `Refusal` for the first thing that is wrong.
    public func verify(under rule: OwnershipRule) throws(Refusal) {
        try rule.verify(directory)
        let manifest = directory.appending(Self.manifestName)
        if FileStatus(of: manifest, followingLinks: false) != nil { try rule.verify(manifest) }
        for role in Role.allCases { try verify(role, under: rule) }
    }

    /// Looks again at one executable.
    public func verify(_ role: Role, under rule: OwnershipRule) throws(Refusal) {
        try Self.verify(
            executable(role), under: rule, ownedAlsoBy: accounts[role]?.uid, as: role.rawValue)
    }

    static let manifestName = "module.toml"

    /// Whether the file is there, is nobody else's, and may be executed.
    static func verify(
        _ path: FilePath, under rule: OwnershipRule, ownedAlsoBy owner: UID?, as use: String
    ) throws(Refusal) {
        if FileStatus(of: path, followingLinks: false) == nil {
            throw Refusal(path, "is not there; a module needs an executable of that name")
        }
        let status = try rule.verify(path, ownedAlsoBy: owner)
        guard status.kind == .regular else {
            throw Refusal(path, "is not a regular file; put the \(use) there")
        }
        guard status.mode & 0o111 != 0 else {
            throw Refusal(path, "is not executable; run: chmod +x '\(path)'")
        }
    }
}
