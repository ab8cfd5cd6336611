// SPDX-License-Identifier: GPL-3.0-or-later

/// A place in the file system that some trigger depends on: a name in a directory, and its state. A
/// symbolic link is a place too; its target is another.
final class PathNode {
    let name: FileName
    /// Nil for the root directory, whose name is empty, and after removal.
    private(set) unowned var parent: PathNode?
    private(set) var children: [FileName: PathNode] = [:]
    /// The watch on the directory or file at this place, if some trigger needs it.
    var watch: Watch?

    /// The targets whose path leads through this name.
    var passing: [PathTarget] = []
    /// The targets whose path ends here.
    var attached: [PathTarget] = []
    /// The recursive targets that end somewhere above and include this directory.
    private(set) var inherited: [PathTarget] = []

    /// Its targets wait to be resolved.
    var isDeferred = false
    /// Not scanned since its watch was added.
    var isFresh = false
    /// The latest scan of the parent that has found it.
    var foundBy = 0
    /// In the queue of the scan.
    var isQueued = false
    /// The scan goes on to the directories below, even if they are known.
    var isScannedWithDescendants = false
    /// The scan reports nothing that it finds here.
    var isScannedQuietly = false

    /// How many directories it is below the root directory.
    let depth: Int

    private init(_ name: FileName, in parent: PathNode?) {
        self.name = name
        self.parent = parent
        depth = parent.map { $0.depth + 1 } ?? 0
    }

    static func root() -> PathNode { PathNode(FileName([]), in: nil) }

    /// Returns the child of that name, which is made if there is none.
    func child(_ name: FileName) -> PathNode {
        if let child = children[name] { return child }
        let child = PathNode(name, in: self)
        children[name] = child
        return child
    }

    /// Replaces the list of targets that include this directory, and updates their shares.
    func inherit(by targets: [PathTarget]) {
        for target in inherited { target.share.count -= 1 }
        for target in targets { target.share.count += 1 }
        inherited = targets
    }

    /// Whether nothing depends on it.
    var isIdle: Bool {
        passing.isEmpty && attached.isEmpty && inherited.isEmpty && children.isEmpty
    }

    /// Takes it out of the tree, with all below it.
    func remove() {
        parent?.children[name] = nil
        parent = nil
    }

    /// Takes out all its children.
    func removeChildren() -> [PathNode] {
        defer { children = [:] }
        for child in children.values { child.parent = nil }
        return Array(children.values)
    }

    /// Whether it, or a directory above it, has been taken out of the tree.
    var isRemoved: Bool {
        var top = self
        while let parent = top.parent { top = parent }
        return !top.name.bytes.isEmpty
    }

    /// Returns the absolute path, or the path from `top`; both begin with a slash.
    func path(from top: PathNode? = nil) -> [UInt8] {
        var size = 0
        forEachName(upTo: top) { size += $0.bytes.count + 1 }
        if size == 0 && top == nil { return [UInt8(ascii: "/")] }
        return [UInt8](unsafeUninitializedCapacity: size) { path, count in
            count = size
            forEachName(upTo: top) { name in
                size -= name.bytes.count + 1
                path[size] = UInt8(ascii: "/")
                _ = path[(size + 1)...].update(fromContentsOf: name.bytes)
            }
        }
    }

    /// Visits the names on the way up to `top`.
    private func forEachName(upTo top: PathNode?, _ body: (FileName) -> Void) {
        var node = self
        while node !== top, let parent = node.parent {
            body(node.name)
            node = parent
        }
    }

    /// Returns the absolute path of a name in this directory.
    func path(of name: UnsafePointer<CChar>) -> [UInt8] {
        var path = path()
        path.append(name)
        return path
    }
}
