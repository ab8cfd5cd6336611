// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDLinux
import Glibc
public import SystemPackage

/// Allows only root and the daemon's user to be able to change files that the daemon executes or
/// trusts.
///
/// Checks with lstat(2), component by component from the root down, since one writable directory
/// above is enough to replace everything below it. Only trusted users can then change the result
/// before it is used.
public struct OwnershipRule {
    /// The number of links that the kernel follows (path_resolution(7)).
    private static let linksMax = 40

    private let daemonUser: UID
    private let reach: PathReach

    /// - Parameter reach: tells which paths can be read.
    public init(daemonUser: UID = geteuid(), reach: PathReach = PathReach()) {
        self.daemonUser = daemonUser
        self.reach = reach
    }

    /// Follows `path` from the root to its end.
    ///
    /// - Returns: the status of the file that the path leads to.
    /// - Throws: `FileRefusal` for the first component that is missing or that others could change.
    @discardableResult
    public func verify(_ path: FilePath) throws(FileRefusal) -> FileStatus {
        precondition(path.isAbsolute)
        return try follow(path, owner: nil)
    }

    /// The prefixes of a path, computed once for many verifications.
    struct Way: Sendable {
        let path: FilePath
        /// From the root down to the path itself.
        fileprivate let prefixes: [FilePath]

        init(to path: FilePath) {
            precondition(path.isAbsolute)
            self.path = path
            var prefixes = [path]
            while let last = prefixes.last, last != "/" {
                prefixes.append(last.removingLastComponent())
            }
            self.prefixes = prefixes.reversed()
        }

        /// Makes the way to a name in a directory, whose prefixes it shares: there may be a
        /// thousand names.
        init(to name: String, in directory: Way) {
            path = directory.path.appending(name)
            prefixes = directory.prefixes + [path]
        }
    }

    /// Follows a path from the root to its end.
    func verify(_ way: Way) throws(FileRefusal) {
        for (index, path) in way.prefixes.enumerated() {
            let status = try status(of: path)
            if status.kind == .symbolicLink {
                try verify(way.path)
                return
            }
            try judge(path, status, isLast: index == way.prefixes.count - 1, owner: nil)
        }
    }

    /// Follows the last component of a path whose directory was verified just before.
    ///
    /// - Parameter owner: another user that may own the file at the end; not a directory.
    @discardableResult
    public func verify(
        lastOf path: FilePath, ownedAlsoBy owner: UID? = nil
    ) throws(FileRefusal) -> FileStatus {
        let status = try status(of: path)
        // A link may lead to a directory that was not verified, so the whole path is followed.
        if status.kind == .symbolicLink { return try follow(path, owner: owner) }
        try judge(path, status, isLast: true, owner: owner)
        return status
    }

    private func follow(_ path: FilePath, owner: UID?) throws(FileRefusal) -> FileStatus {
        var rest = Self.steps(of: path)
        var current: FilePath = "/"
        try judge(current, status(of: current), isLast: rest.isEmpty, owner: nil)
        var links = 0
        while let step = rest.popLast() {
            let next =
                step.kind == .parentDirectory
                ? current.removingLastComponent() : current.appending(step)
            let status = try status(of: next)
            guard status.kind == .symbolicLink else {
                try judge(next, status, isLast: rest.isEmpty, owner: owner)
                if rest.isEmpty { return status }
                current = next
                continue
            }
            links += 1
            guard links <= Self.linksMax else { throw Self.loop(path) }
            try judgeOwner(next, status, owner: rest.isEmpty ? owner : nil)
            let target = try target(of: next)
            if target.isAbsolute { current = "/" }
            rest += Self.steps(of: target)
        }
        // The path was the root, or its last link leads to `/` or `.`.
        let status = try status(of: current)
        try judge(current, status, isLast: true, owner: nil)
        return status
    }

    /// Opens the directory that a path leads to, and makes missing directories on the way.
    ///
    /// Each directory is verified before anything is made in it, and is held open from then on:
    /// redirecting the path meanwhile has no effect.
    ///
    /// - Parameter mode: the mode of the last directory if it is made, subject to the umask.
    /// - Throws: `FileRefusal` for the first directory that others could change; `SystemCallError`.
    public func makeDirectory(_ path: FilePath, mode: ModeBits = 0o755) throws -> OpenDirectory {
        precondition(path.isAbsolute)
        var rest = Self.steps(of: path)
        var current = try OpenDirectory.root()
        try judge(current.path, current.status(), isLast: rest.isEmpty, owner: nil)
        var links = 0
        while let step = rest.popLast() {
            if step.kind == .parentDirectory {
                current = try current.open(step)
            } else if let target = try link(step, in: current) {
                links += 1
                guard links <= Self.linksMax else { throw Self.loop(path) }
                if target.isAbsolute { current = try OpenDirectory.root() }
                rest += Self.steps(of: target)
            } else {
                current = try makeDirectory(step, in: current, mode: rest.isEmpty ? mode : 0o755)
            }
            try judge(current.path, current.status(), isLast: rest.isEmpty, owner: nil)
        }
        return current
    }

    /// Opens a directory in a verified one, and makes it if it is missing.
    private func makeDirectory(
        _ name: FilePath.Component, in parent: borrowing OpenDirectory, mode: ModeBits
    ) throws -> OpenDirectory {
        if try parent.status(of: name) == nil { try parent.makeDirectory(name, mode: mode) }
        return try parent.open(name)
    }

    /// Returns the target of a symbolic link that no untrusted user could change; nil if it is not
    /// a link.
    private func link(
        _ name: FilePath.Component, in parent: borrowing OpenDirectory
    ) throws -> FilePath? {
        let place = parent.path.appending(name)
        if let obstacle = reach.obstacle(at: place) { throw obstacle }
        guard let status = try parent.status(of: name), status.kind == .symbolicLink else {
            return nil
        }
        try judgeOwner(place, status, owner: nil)
        guard let target = parent.target(of: name) else { throw Self.unreadableLink(place) }
        return target
    }

    /// Makes a private directory of the daemon's user in a verified one, or takes over an existing
    /// one that belongs to a trusted user.
    public func makePrivate(
        _ name: FilePath.Component, in parent: borrowing OpenDirectory
    ) throws {
        let directory = try makeDirectory(name, in: parent, mode: 0o700)
        try judgeOwner(directory.path, directory.status(), owner: nil)
        try directory.give(to: .daemon, mode: 0o700)
    }

    /// Returns the path's components in reverse order, for `popLast`, without `.`, so that the last
    /// one names the path's end.
    private static func steps(of path: FilePath) -> [FilePath.Component] {
        path.components.reversed().filter { $0.kind != .currentDirectory }
    }

    private func judge(
        _ path: FilePath, _ status: FileStatus, isLast: Bool, owner: UID?
    ) throws(FileRefusal) {
        let isDirectory = status.kind == .directory
        try judgeOwner(path, status, owner: isLast && !isDirectory ? owner : nil)
        // In a sticky directory others cannot replace files of trusted users. But the last
        // directory must not accept new files from others either.
        let isSticky = isDirectory && !isLast && status.mode & S_ISVTX != 0
        let (who, remedy): (String, String)
        switch status.mode & 0o022 {
        case 0: return
        case _ where isSticky: return
        case 0o020: (who, remedy) = ("its group", "g-w")
        case 0o002: (who, remedy) = ("anybody", "o-w")
        default: (who, remedy) = ("its group and everybody else", "go-w")
        }
        throw FileRefusal(path, "can be written by \(who); run: chmod \(remedy) '\(path)'")
    }

    private func judgeOwner(
        _ path: FilePath, _ status: FileStatus, owner: UID?
    ) throws(FileRefusal) {
        guard status.owner != 0, status.owner != daemonUser, status.owner != owner else { return }
        let name = UserAccount.localName(of: status.owner).map { "\($0) (uid \(status.owner))" }
        let rightful = daemonUser == 0 ? "root" : "root or uid \(daemonUser)"
        let link = status.kind == .symbolicLink ? "-h " : ""
        throw FileRefusal(
            path,
            "belongs to \(name ?? "uid \(status.owner)"), not to \(rightful); "
                + "run: chown \(link)root '\(path)'")
    }

    private func status(of path: FilePath) throws(FileRefusal) -> FileStatus {
        if let obstacle = reach.obstacle(at: path) { throw obstacle }
        do throws(SystemCallError) {
            return try FileStatus(at: path, followingLinks: false)
        } catch {
            throw Self.refusal(of: path, error)
        }
    }

    private func target(of link: FilePath) throws(FileRefusal) -> FilePath {
        guard let target = SymbolicLink.target(of: link) else {
            throw Self.unreadableLink(link)
        }
        return target
    }

    private static func loop(_ path: FilePath) -> FileRefusal {
        FileRefusal(path, "leads through too many symbolic links; break the loop")
    }

    private static func unreadableLink(_ path: FilePath) -> FileRefusal {
        FileRefusal(path, "cannot be read as a symbolic link")
    }

    private static func refusal(of path: FilePath, _ error: SystemCallError) -> FileRefusal {
        switch error.errno {
        case .noSuchFileOrDirectory: FileRefusal(path, "is not there", isMissing: true)
        case .notDirectory: FileRefusal(path, "lies below something that is not a directory")
        default: FileRefusal(path, "cannot be examined: \(error.errno)")
        }
    }
}
