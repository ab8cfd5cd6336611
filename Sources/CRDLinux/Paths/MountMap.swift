// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// The type of the file system at each mount point, for everything that follows paths.
///
/// It is consulted before a name is looked up: a lookup on a mount whose server does not answer
/// never returns.
public final class MountMap {
    private var types: [[UInt8]: FileSystemType] = [:]
    /// The last names of the mount points: a quick test that rules out most names.
    private var names: Set<FileName> = []
    /// Whether any of the file systems may stall.
    public private(set) var hasStalling = false
    /// Takes in a change of the kernel's table at once: a directory may have become a mount point
    /// as soon as it was made. Returns false while that takes longer; until then no name may be
    /// looked up.
    var refresh: () -> Bool = { true }

    public init() {}

    func replace(with types: [[UInt8]: FileSystemType]) {
        self.types = types
        names = Set(types.keys.map(Self.lastName))
        // If the root file system may stall, so may everything that the daemon itself depends on.
        self.types[[UInt8(ascii: "/")]] = nil
        hasStalling = self.types.values.contains(where: \.mayStall)
    }

    private static func lastName(of path: [UInt8]) -> FileName {
        let slash = path.lastIndex(of: UInt8(ascii: "/"))
        return FileName(path[(slash.map { $0 + 1 } ?? 0)...])
    }

    /// Returns the file system mounted at this node; nil where it is not a mount point.
    func fileSystem(at node: PathNode) -> FileSystemType? {
        names.contains(node.name) ? types[node.path()] : nil
    }

    /// Returns the file system mounted at this path; nil where it is not a mount point.
    func fileSystem(at path: [UInt8]) -> FileSystemType? { types[path] }

    /// Returns the file system mounted at this path if it may stall.
    public func stallingFileSystem(at path: [UInt8]) -> FileSystemType? {
        types[path].flatMap { $0.mayStall ? $0 : nil }
    }

    /// Returns the file system that contains this node.
    func fileSystem(holding node: PathNode) -> FileSystemType? {
        var place = node
        while true {
            if let type = fileSystem(at: place) { return type }
            guard let parent = place.parent else { return nil }
            place = parent
        }
    }

    /// Returns the file system that contains an absolute path, taken literally: following links
    /// would need a lookup.
    public func fileSystem(holding path: [UInt8]) -> FileSystemType? {
        var place = path[...]
        while !place.isEmpty {
            if let type = types[Array(place)] { return type }
            place = place[..<(place.lastIndex(of: UInt8(ascii: "/")) ?? place.startIndex)]
        }
        return nil
    }

    /// Returns whether the directory of this name in `node` is the root of a file system that may
    /// stall.
    func mayStall(_ name: UnsafePointer<CChar>, in node: PathNode) -> Bool {
        hasStalling && names.contains(FileName(name))
            && types[node.path(of: name)]?.mayStall ?? false
    }
}
