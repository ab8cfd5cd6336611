// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// The walk from the root directory along a path, through symbolic links. It watches every
/// directory in which a changed name would make the path mean something else.
///
/// Each directory is watched before a name in it is looked up. So the result may be outdated when
/// the walk ends, but then the queue holds a record that says so.
///
/// A link of another user is followed only to files of that same user, as the kernel does in
/// world-writable directories (proc(5), `protected_symlinks`). Otherwise a user who replaces a
/// watched path by a link would learn names in directories closed to that user.
struct PathWalk {
    /// How many symbolic links a path may lead through, as in path_resolution(7).
    private static let linksMax = 40
    /// How many names a path may lead through, those of links included: a link may have a thousand.
    private static let namesMax = 256

    /// The names passed, in order.
    private(set) var way: [PathNode] = []
    /// The path's own last name and, for links, the last name of each target.
    private(set) var finals: [PathNode] = []
    /// The node at the path's end; nil if nothing is there.
    private(set) var node: PathNode?
    private(set) var isDirectory = false
    /// Why one of the directories is not watched. The walk continues past it.
    private(set) var fault: String?
    /// Another user could replace a name on the path.
    private(set) var isExposed = false
    /// The mount point at which the walk stopped, since a lookup on it might never return.
    private(set) var border: PathNode?
    /// The file system that contains the path's end, or else the last directory reached.
    private(set) var fileSystem: FileSystemType?

    private let table: WatchTable
    private let mounts: MountMap
    private let root: PathNode
    /// The remaining names, the next one last.
    private var rest: [FileName]
    /// How many names were looked up: the cost of the walk.
    private(set) var count = 0
    private var linksLeft = linksMax
    /// The links of other users being followed, and how many names remain where each ends.
    private var foreignLinks: [(path: [UInt8], owner: UID, rest: Int)] = []

    init(_ path: [UInt8], root: PathNode, table: WatchTable, mounts: MountMap) {
        self.table = table
        self.mounts = mounts
        self.root = root
        fileSystem = mounts.fileSystem(at: root)
        rest = Self.names(of: path).reversed()
        var place = root
        while let name = rest.popLast() {
            count += 1
            guard count <= Self.namesMax else {
                fault =
                    fault
                    ?? "'\(String(decoding: path, as: UTF8.self))' leads through more than \(Self.namesMax) names, including those of symbolic links, so it is not followed; watch the path that it leads to"
                return
            }
            guard let next = step(from: place, to: name) else { return }
            place = next
            guard mayGoOn(from: place) else { return }
        }
        node = place
        if place === root { isDirectory = true }
    }

    private static func names(of path: [UInt8]) -> [FileName] {
        path.split(separator: UInt8(ascii: "/")).filter { $0 != [UInt8(ascii: ".")] }
            .map { FileName($0) }
    }

    /// Takes one name.
    ///
    /// - Returns: the next node; nil where the path leads nowhere.
    private mutating func step(from place: PathNode, to name: FileName) -> PathNode? {
        // Only link targets contain "..". `place` is not a link, so the directory above is its
        // parent.
        if name.bytes == Array("..".utf8) { return enter(place.parent ?? root) }
        guard watch(place) else { return nil }
        let child = place.child(name)
        // A link may lead through the same name again and again.
        if !way.contains(where: { $0 === child }) { way.append(child) }
        if rest.isEmpty { finals.append(child) }
        if let mounted = mounts.fileSystem(at: child) {
            if mounted.mayStall {
                table.disarm(child)
                border = child
                return nil
            }
            if mounted.isMadeByKernel, let link = foreignLinks.last {
                fault =
                    fault
                    ?? "'\(String(decoding: link.path, as: UTF8.self))' is a symbolic link of the user with uid \(link.owner) and leads into \(mounted.name), so it is not followed; have root make it, or watch what it leads to"
                return nil
            }
            fileSystem = mounted
        }
        let status = status(of: child)
        isExposed = isExposed || status?.isOthers == true
        switch status?.kind {
        case .symbolicLink:
            table.disarm(child)
            return follow(child, of: status?.owner ?? 0, in: place)
        case .directory:
            isDirectory = true
            return child
        case .regular, .other:
            isDirectory = false
            if rest.isEmpty { return child }
            if child.attached.isEmpty { table.disarm(child) }
            return nil
        case nil:
            // The former inode may live on elsewhere; its events no longer concern this path.
            table.disarm(child)
            return nil
        }
    }

    /// Watches a directory on the path.
    ///
    /// - Returns: whether it is still a directory, so that the walk can continue.
    private mutating func watch(_ place: PathNode) -> Bool {
        do throws(SystemCallError) {
            try table.arm(place, .ofNames, onlyIfDirectory: true, isExposed: isExposed)
        } catch {
            if error.meansNothingThere { return false }
            fault = fault ?? "\(error)"
        }
        return true
    }

    private mutating func status(of child: PathNode) -> FileStatus? {
        let path = FilePath(bytes: child.path())
        do throws(SystemCallError) {
            return try FileStatus(at: path, followingLinks: false)
        } catch {
            if !error.meansNothingThere { fault = fault ?? "\(error)" }
            return nil
        }
    }

    private mutating func follow(
        _ link: PathNode, of owner: UID, in place: PathNode
    ) -> PathNode? {
        guard linksLeft > 0, let text = withPath(link.path(), SymbolicLink.read) else { return nil }
        linksLeft -= 1
        if !FileStatus.isTrusted(owner) { foreignLinks.append((link.path(), owner, rest.count)) }
        rest += Self.names(of: text).reversed()
        return enter(text.first == UInt8(ascii: "/") ? root : place)
    }

    /// Returns whether the walk may continue: each foreign link that ends here must lead to files
    /// of the link's owner.
    private mutating func mayGoOn(from place: PathNode) -> Bool {
        while let link = foreignLinks.last, rest.count <= link.rest {
            foreignLinks.removeLast()
            if let end = status(of: place), end.owner == link.owner { continue }
            fault =
                fault
                ?? "'\(String(decoding: link.path, as: UTF8.self))' is a symbolic link of the user with uid \(link.owner) and leads to something that is not that user's, so it is not followed; have root make it, or watch what it leads to"
            return false
        }
        return true
    }

    /// Continues from a node that is not a child of the last one.
    private mutating func enter(_ place: PathNode) -> PathNode {
        fileSystem = mounts.fileSystem(holding: place)
        return place
    }
}
