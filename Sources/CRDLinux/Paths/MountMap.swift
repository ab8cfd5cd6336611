// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Which type of file system is mounted where, for all who follow paths.
///
/// It is consulted before a name is looked up, since a look at a mount whose server does not answer
/// never returns.
public final class MountMap {
    private var types: [[UInt8]: FileSystemType] = [:]
    /// The last names of the mount points: most names are none of them, which this tells at once.
    private var names: Set<FileName> = []
    /// Whether there is any that may stall.
    public private(set) var hasStalling = false

    public init() {}

    func replace(with types: [[UInt8]: FileSystemType]) {
        self.types = types
        names = Set(types.keys.map(Self.lastName))
        // Where the root directory may stall, so does all that the daemon itself lives on.
        self.types[[UInt8(ascii: "/")]] = nil
        hasStalling = self.types.values.contains(where: \.mayStall)
    }

    private static func lastName(of path: [UInt8]) -> FileName {
        let slash = path.lastIndex(of: UInt8(ascii: "/"))
        return FileName(path[(slash.map { $0 + 1 } ?? 0)...])
    }

    /// The file system whose root directory is at this place; nil where it is no mount point.
    func fileSystem(at node: PathNode) -> FileSystemType? {
        names.contains(node.name) ? types[node.path()] : nil
    }

    /// The file system whose root directory is at this path; nil where it is no mount point.
    func fileSystem(at path: [UInt8]) -> FileSystemType? { types[path] }

    /// The same for one that may stall.
    public func stallingFileSystem(at path: [UInt8]) -> FileSystemType? {
        types[path].flatMap { $0.mayStall ? $0 : nil }
    }

    /// The file system that this place lies in.
    func fileSystem(holding node: PathNode) -> FileSystemType? {
        var place = node
        while true {
            if let type = fileSystem(at: place) { return type }
            guard let parent = place.parent else { return nil }
            place = parent
        }
    }

    /// The file system that an absolute path lies in, as it is written: links are not followed, since
    /// that would be a look.
    public func fileSystem(holding path: [UInt8]) -> FileSystemType? {
        var place = path[...]
        while !place.isEmpty {
            if let type = types[Array(place)] { return type }
            place = place[..<(place.lastIndex(of: UInt8(ascii: "/")) ?? place.startIndex)]
        }
        return nil
    }

    /// Whether a directory of this name in `node` is the root of a file system that may stall.
    func mayStall(_ name: UnsafePointer<CChar>, in node: PathNode) -> Bool {
        hasStalling && names.contains(FileName(name))
            && types[node.path(of: name)]?.mayStall ?? false
    }
}
