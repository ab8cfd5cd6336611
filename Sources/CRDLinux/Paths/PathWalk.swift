// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// The way from the root directory to what a path means now, through symbolic links, with a watch
/// on every directory in which a change of one of its names would make the path mean something
/// else.
///
/// Each directory is watched before a name in it is looked at. So the way may be out of date when
/// the walk ends, but then a record that says so is in the queue.
///
/// A link of somebody else's is followed only to what is that user's too, as the kernel does in
/// directories for all (proc(5), `protected_symlinks`): whoever can put one in the place of what is
/// watched would be told the names in directories that are closed to them.
struct PathWalk {
    /// How many symbolic links a path may lead through, as in path_resolution(7).
    private static let linksMax = 40

    /// The names passed, in the order they were.
    private(set) var way: [PathNode] = []
    /// Those among them that are the path's own last name, or that of a link's target.
    private(set) var finals: [PathNode] = []
    /// What is at the path's end; nil if there is nothing.
    private(set) var node: PathNode?
    private(set) var isDirectory = false
    /// Why one of the directories is not watched. The walk goes on past it.
    private(set) var fault: String?
    /// Somebody else could put something else in the place of a name on the way.
    private(set) var isExposed = false
    /// The mount point at which the walk has stopped, since a look at it might never return.
    private(set) var border: PathNode?
    /// What the path's end, or the last directory on the way there, lies in.
    private(set) var fileSystem: FileSystemType?

    private let table: WatchTable
    private let mounts: MountMap
    private let root: PathNode
    /// The names still to go, the next one last.
    private var rest: [FileName]
    private var linksLeft = linksMax
    /// Links of other users' that are being followed, and how many names are left where each ends.
    private var foreignLinks: [(path: [UInt8], owner: UID, rest: Int)] = []

    init(_ path: [UInt8], root: PathNode, table: WatchTable, mounts: MountMap) {
        self.table = table
        self.mounts = mounts
        self.root = root
        fileSystem = mounts.fileSystem(at: root)
        rest = Self.names(of: path).reversed()
        var place = root
        while let name = rest.popLast() {
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

    /// - Returns: nil where the path leads nowhere.
    private mutating func step(from place: PathNode, to name: FileName) -> PathNode? {
        // Only links have this; `place` is no link, so the directory above it is its parent.
        if name.bytes == Array("..".utf8) { return enter(place.parent ?? root) }
        guard watch(place) else { return nil }
        let child = place.child(name)
        way.append(child)
        if rest.isEmpty { finals.append(child) }
        if let mounted = mounts.fileSystem(at: child) {
            if mounted.mayStall {
                table.disarm(child)
                border = child
                return nil
            }
            fileSystem = mounted
        }
        let status = look(at: child)
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
            // What was here may live on elsewhere, and its events are none of this path's.
            table.disarm(child)
            return nil
        }
    }

    /// - Returns: whether it still is a directory, which the walk can go on from.
    private mutating func watch(_ place: PathNode) -> Bool {
        do throws(SystemCallError) {
            try table.arm(place, .ofNames, onlyIfDirectory: true, isExposed: isExposed)
        } catch {
            if error.meansNothingThere { return false }
            fault = fault ?? "\(error)"
        }
        return true
    }

    private mutating func look(at child: PathNode) -> FileStatus? {
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

    /// Whether what the links of others' lead to, those that end here, is theirs.
    private mutating func mayGoOn(from place: PathNode) -> Bool {
        while let link = foreignLinks.last, rest.count <= link.rest {
            foreignLinks.removeLast()
            if let end = look(at: place), end.owner == link.owner { continue }
            fault =
                fault
                ?? "'\(String(decoding: link.path, as: UTF8.self))' is a symbolic link of the user with uid \(link.owner) and leads to what is not that user's, so it is not followed; have root make it, or watch what it leads to"
            return false
        }
        return true
    }

    /// Goes on from a place that is not the child of the last one.
    private mutating func enter(_ place: PathNode) -> PathNode {
        fileSystem = mounts.fileSystem(holding: place)
        return place
    }
}
