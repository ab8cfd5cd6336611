// SPDX-License-Identifier: GPL-3.0-or-later

/// A place in the file system that some trigger depends on: a name in a directory, with all that
/// is known of it. Symbolic links are places too; what they point to is another.
final class PathNode {
    let name: FileName
    /// Nil for the root directory, and once it was removed.
    private(set) unowned var parent: PathNode?
    private(set) var children: [FileName: PathNode] = [:]
    /// The watch on what is at this place, if it is a directory or file that some trigger needs.
    var watch: Watch?

    /// The targets whose way leads through this name.
    var passing: [PathTarget] = []
    /// Those that end here.
    var attached: [PathTarget] = []
    /// The recursive ones that end somewhere above and include this directory.
    private(set) var inherited: [PathTarget] = []

    private(set) var isRemoved = false
    /// What is in it was not looked at since its watch was made.
    var isFresh = false
    /// It waits to be scanned.
    var isQueued = false
    /// What is found in it is told to no one.
    var isScannedQuietly = false

    private init(_ name: FileName, in parent: PathNode?) {
        self.name = name
        self.parent = parent
    }

    static func root() -> PathNode { PathNode(FileName([]), in: nil) }

    /// The child of that name, made if there is none.
    func child(_ name: FileName) -> PathNode {
        if let child = children[name] { return child }
        let child = PathNode(name, in: self)
        children[name] = child
        return child
    }

    /// From now on these include it.
    func inherit(by targets: [PathTarget]) {
        for target in inherited { target.share.count -= 1 }
        for target in targets { target.share.count += 1 }
        inherited = targets
    }

    /// Whether nothing depends on it.
    var isIdle: Bool {
        passing.isEmpty && attached.isEmpty && inherited.isEmpty && children.isEmpty
    }

    func remove() {
        parent?.children[name] = nil
        parent = nil
        isRemoved = true
    }

    /// The absolute path, or what leads here from `top`, with a slash at its beginning.
    func path(from top: PathNode? = nil) -> [UInt8] {
        var names: [FileName] = []
        var node = self
        while node !== top, let parent = node.parent {
            names.append(node.name)
            node = parent
        }
        if names.isEmpty && top == nil { return [UInt8(ascii: "/")] }
        var path: [UInt8] = []
        path.reserveCapacity(names.reduce(0) { $0 + $1.bytes.count + 1 })
        for name in names.reversed() {
            path.append(UInt8(ascii: "/"))
            path.append(contentsOf: name.bytes)
        }
        return path
    }

    /// The absolute path of a name in this directory.
    func path(of name: UnsafePointer<CChar>) -> [UInt8] {
        var path = path()
        path.append(name)
        return path
    }
}
