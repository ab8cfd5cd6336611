// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDLinux
import Glibc
public import SystemPackage

/// Who may be able to change what the daemon executes or believes: root, and whom the daemon
/// runs as.
///
/// Looked at with lstat(2), component by component from the root down, since one writable
/// directory above is enough to swap all below it. Nobody but the trusted can then change the
/// answer before it is used.
public struct OwnershipRule: Sendable {
    /// As many links as the kernel follows (path_resolution(7)).
    private static let linksMax = 40

    private let daemonUser: UID

    public init(daemonUser: UID = geteuid()) {
        self.daemonUser = daemonUser
    }

    /// Follows `path` from the root to its end.
    ///
    /// - Returns: what the path leads to.
    /// - Throws: `Refusal` for the first component that others could change, or that is missing.
    @discardableResult
    public func verify(_ path: FilePath) throws(Refusal) -> FileStatus {
        precondition(path.isAbsolute)
        return try follow(path, from: "/", Array(path.components.reversed()), owner: nil)
    }

    /// Follows one name in a directory that was verified just now.
    ///
    /// - Parameter owner: who may own the file at the end beside the trusted; never a directory.
    @discardableResult
    public func verify(
        _ name: FilePath.Component, in directory: FilePath, ownedAlsoBy owner: UID? = nil
    ) throws(Refusal) -> FileStatus {
        try follow(directory.appending(name), from: directory, [name], owner: owner)
    }

    /// - Parameter components: what is left of `path` behind `start`, the last one first.
    private func follow(
        _ path: FilePath, from start: FilePath, _ components: [FilePath.Component], owner: UID?
    ) throws(Refusal) -> FileStatus {
        var rest = components
        var current = start
        var status = try root(from: start, isLast: rest.isEmpty)
        var links = 0
        while let component = rest.popLast() {
            if component.kind == .parentDirectory {
                current.removeLastComponent()
                continue
            }
            if component.kind == .currentDirectory { continue }
            let next = current.appending(component)
            let found = try look(at: next)
            if found.kind == .symbolicLink {
                links += 1
                guard links <= Self.linksMax else {
                    throw Refusal(path, "leads through too many symbolic links; mend the loop")
                }
                try judgeOwner(next, found, owner: rest.isEmpty ? owner : nil)
                let target = try target(of: next)
                rest.append(contentsOf: target.components.reversed())
                if target.isAbsolute {
                    current = "/"
                    status = try root(from: current, isLast: rest.isEmpty)
                }
                continue
            }
            try judge(next, found, isLast: rest.isEmpty, owner: owner)
            current = next
            status = found
        }
        guard let status else { return try look(at: current) }
        return status
    }

    /// Nothing is above the root, so it is judged where a path begins there.
    private func root(from start: FilePath, isLast: Bool) throws(Refusal) -> FileStatus? {
        guard start == "/" else { return nil }
        let status = try look(at: start)
        try judge(start, status, isLast: isLast, owner: nil)
        return status
    }

    private func judge(
        _ path: FilePath, _ status: FileStatus, isLast: Bool, owner: UID?
    ) throws(Refusal) {
        let isDirectory = status.kind == .directory
        try judgeOwner(path, status, owner: isLast && !isDirectory ? owner : nil)
        // In a sticky directory nobody can replace what the trusted own; but the last directory
        // must not take new files from others either.
        let isSticky = isDirectory && !isLast && status.mode & S_ISVTX != 0
        let (who, remedy): (String, String)
        switch status.mode & 0o022 {
        case 0: return
        case _ where isSticky: return
        case 0o020: (who, remedy) = ("its group", "g-w")
        case 0o002: (who, remedy) = ("anybody", "o-w")
        default: (who, remedy) = ("its group and anybody", "go-w")
        }
        throw Refusal(path, "can be written by \(who); run: chmod \(remedy) '\(path)'")
    }

    private func judgeOwner(
        _ path: FilePath, _ status: FileStatus, owner: UID?
    ) throws(Refusal) {
        guard status.owner != 0, status.owner != daemonUser, status.owner != owner else { return }
        let name = UserAccount.with(uid: status.owner).map { "\($0.name) (uid \($0.uid))" }
        let rightful = daemonUser == 0 ? "root" : "root or uid \(daemonUser)"
        let link = status.kind == .symbolicLink ? "-h " : ""
        throw Refusal(
            path,
            "belongs to \(name ?? "uid \(status.owner)"), not to \(rightful); "
                + "run: chown \(link)root '\(path)'")
    }

    private func look(at path: FilePath) throws(Refusal) -> FileStatus {
        do throws(SystemCallError) {
            return try FileStatus(at: path, followingLinks: false)
        } catch {
            throw Self.refusal(of: path, error)
        }
    }

    private func target(of link: FilePath) throws(Refusal) -> FilePath {
        let target = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) {
            buffer -> FilePath? in
            let count = link.withPlatformString {
                readlink($0, buffer.baseAddress!, buffer.count - 1)
            }
            guard count > 0 else { return nil }
            buffer[count] = 0
            return FilePath(platformString: buffer.baseAddress!)
        }
        guard let target else { throw Refusal(link, "cannot be read as a symbolic link") }
        return target
    }

    private static func refusal(of path: FilePath, _ error: SystemCallError) -> Refusal {
        switch error.errno {
        case .noSuchFileOrDirectory: Refusal(path, "is not there", isMissing: true)
        case .notDirectory: Refusal(path, "lies below something that is not a directory")
        default: Refusal(path, "cannot be looked at: \(error.errno)")
        }
    }
}
