// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import SystemPackage

/// Brings the watches on directories up to date with the disk, a share each turn.
///
/// Each directory is watched first and scanned then. Entries of a directory that was not watched
/// before are reported, since nothing saw them appear.
final class TreeScan {
    /// The number of directory entries scanned in one turn: some milliseconds.
    static let share = 4_096
    /// How deep a watched directory may lie. All work on a directory, also the kernel's, grows with
    /// its depth, and a user who can make directories could make them two thousand deep.
    static let depthMax = 128
    /// How many entries are scanned between two readings of the clock.
    private static let entriesPerLook = 64
    /// The cost of watching and opening a directory, in entries.
    private static let costOfDirectory = 16

    /// Called for an entry of a directory that was not watched before. The name is valid during the
    /// call.
    typealias Found = (PathNode, UnsafePointer<CChar>, _ isDirectory: Bool) -> Void

    private let table: WatchTable
    private let mounts: MountMap
    /// Last in, first out, so that it never holds more than the siblings along one path. Nodes that
    /// were dismantled are passed over.
    private(set) var queue: [PathNode] = []
    /// How many are in the queue without those that were dismantled, at the last count.
    private var queuedAtCount = 0
    private var scans = 0
    /// The directory being scanned.
    private var current: Look?
    /// Directories that could not be watched.
    private var unwatched: [PathNode] = []
    /// A watch has failed since the caller last cleared this.
    var hasFailed = false

    /// Called for a mount point that may stall and is therefore not entered.
    var avoided: (_ path: [UInt8], _ heirs: [PathTarget], _ quietly: Bool) -> Void = { _, _, _ in }

    init(_ table: WatchTable, _ mounts: MountMap) {
        self.table = table
        self.mounts = mounts
    }

    var isDone: Bool { queue.isEmpty && current == nil && !table.hasRemoved }

    /// Queues a directory for a scan.
    ///
    /// - Parameters:
    ///   - quietly: entries found in it need not be reported.
    ///   - withDescendants: scan the directories below it too.
    func add(_ node: PathNode, quietly: Bool, withDescendants: Bool = false) {
        if withDescendants { node.isScannedWithDescendants = true }
        if node.isQueued {
            node.isScannedQuietly = node.isScannedQuietly && quietly
            return
        }
        node.isQueued = true
        node.isScannedQuietly = quietly
        queue.append(node)
        // Who renames a tree over and over leaves nothing but dismantled ones.
        if queue.count > 2 * queuedAtCount + Self.share {
            queue.removeAll { !$0.isQueued }
            queuedAtCount = queue.count
        }
    }

    /// Queues the directories again that could not be watched and that these targets need.
    func retry(for needs: (PathTarget) -> Bool) {
        var others: [PathNode] = []
        for node in unwatched where !node.isRemoved {
            if node.audience.contains(where: needs) {
                add(node, quietly: true)
            } else {
                others.append(node)
            }
        }
        unwatched = others
    }

    /// Scans until the queue is empty, the share is used up, or the time has come.
    ///
    /// - Parameters:
    ///   - share: in entries.
    ///   - end: nil: however long the share takes.
    func run(atMost share: Int, until end: Instant?, found: Found) {
        var rest = share
        while rest > 0 {
            if let end, Clock.now > end { return }
            // First, since what is dismantled makes room in the targets' shares.
            if table.hasRemoved {
                rest -= table.dismantle(atMost: min(rest, Self.entriesPerLook))
                continue
            }
            if let look = current {
                rest -= goOn(look, atMost: min(rest, Self.entriesPerLook), found)
                continue
            }
            guard let node = queue.popLast() else { return }
            guard node.isQueued else { continue }
            node.isQueued = false
            if node.isRemoved { continue }
            rest -= Self.costOfDirectory
            do throws(SystemCallError) {
                current = try begin(node)
            } catch {
                // If nothing is there any more, a record will say so.
                if !error.meansNothingThere { recordFault("\(error)", of: node.audience, at: node) }
            }
        }
    }

    private func recordFault(_ fault: String, of targets: [PathTarget], at node: PathNode) {
        for target in targets { target.fault = target.fault ?? fault }
        // For several failures in one directory, one more scan is enough.
        if unwatched.last !== node { unwatched.append(node) }
        hasFailed = true
    }

    /// A scan of one directory, which may take many turns: a directory with a million entries may
    /// be moved into a tree.
    private final class Look {
        let node: PathNode
        let stream: DirectoryStream
        /// Not watched before.
        let isFresh: Bool
        let isQuiet: Bool
        let isTold: Bool
        let withDescendants: Bool
        /// Marks the subdirectories that it finds.
        let number: Int

        init(_ node: PathNode, number: Int) throws(SystemCallError) {
            self.node = node
            self.number = number
            stream = try DirectoryStream(node.path())
            isFresh = node.isFresh
            isQuiet = node.isScannedQuietly
            isTold = node.isToldOfScan
            withDescendants = node.isScannedWithDescendants
        }
    }

    /// Watches a directory.
    ///
    /// - Returns: nil if its entries need no scan.
    private func begin(_ node: PathNode) throws(SystemCallError) -> Look? {
        let audience = node.audience
        // It may have become a mount point since it was queued.
        if mounts.hasStalling, mounts.fileSystem(at: node)?.mayStall == true {
            avoided(node.path(), audience, node.isScannedQuietly)
            return nil
        }
        let events = audience.reduce(PathEvents()) { $0.union($1.eventsOfDirectory) }
        guard !events.isEmpty else { return nil }
        try table.arm(node, events, onlyIfDirectory: true, isExposed: true)
        guard node.isToldOfScan || audience.contains(where: \.isRecursive) else {
            node.isFresh = false
            return nil
        }
        scans += 1
        let look = try Look(node, number: scans)
        node.isFresh = false
        node.isScannedWithDescendants = false
        return look
    }

    /// Continues the scan of a directory.
    ///
    /// - Returns: the number of entries.
    private func goOn(_ look: Look, atMost share: Int, _ found: Found) -> Int {
        let node = look.node
        // A target that joined in the meantime has the directory scanned once more.
        let heirs = node.audience.filter(\.isRecursive)
        let isRemoved = node.isRemoved
        for count in 1...share {
            let isMore =
                !isRemoved
                && look.stream.next { name, kind in
                    let isDirectory =
                        kind == .directory || kind == .unknown && hasDirectory(name, in: node)
                    if look.isTold { found(node, name, isDirectory) }
                    guard isDirectory, !heirs.isEmpty else { return }
                    let child = inherit(
                        name, of: node, by: heirs,
                        evenIfKnown: look.isFresh || look.withDescendants, quietly: look.isQuiet)
                    if look.withDescendants { child?.isScannedWithDescendants = true }
                }
            if isMore { continue }
            current = nil
            if isRemoved { return count }
            let lost = node.children.values.filter {
                $0.foundBy != look.number && !$0.inherited.isEmpty
            }
            for child in lost { table.release(child, by: child.inherited) }
            return count
        }
        return share
    }

    /// Asks lstat(2), for file systems whose directory entries do not give the type.
    func hasDirectory(_ name: UnsafePointer<CChar>, in node: PathNode) -> Bool {
        // The root of a mount is nearly always a directory.
        if mounts.mayStall(name, in: node) { return true }
        let path = FilePath(bytes: node.path(of: name))
        return FileStatus(of: path, followingLinks: false)?.kind == .directory
    }

    /// Passes a subdirectory on to the targets that include its parent.
    ///
    /// - Parameters:
    ///   - evenIfKnown: scan it even if no target is new.
    ///   - quietly: entries found in it need not be reported.
    /// - Returns: its node, if any target includes it.
    @discardableResult
    func inherit(
        _ name: UnsafePointer<CChar>, of node: PathNode, by heirs: [PathTarget],
        evenIfKnown: Bool, quietly: Bool
    ) -> PathNode? {
        // Mostly nothing is excluded, and then all directories of a tree share one list.
        let excluding = heirs.contains { $0.excludes(name) }
        let heirs = excluding ? heirs.filter { !$0.excludes(name) } : heirs
        guard !heirs.isEmpty else { return nil }
        if mounts.mayStall(name, in: node) {
            avoided(node.path(of: name), heirs, quietly)
            return nil
        }
        guard node.depth < Self.depthMax else {
            recordFault(
                "a watched tree has directories more than \(Self.depthMax) levels below the root directory, which are not watched; exclude them, or make the tree flatter",
                of: heirs, at: node)
            return nil
        }
        let former = node.children[FileName(name)]?.inherited ?? []
        let admitted = admit(heirs, besides: former, to: node)
        guard !admitted.isEmpty else { return nil }
        let child = node.child(FileName(name))
        if let current, current.node === node { child.foundBy = current.number }
        let isKnown = child.inherited.elementsEqual(admitted, by: ===)
        if !isKnown { child.inherit(by: admitted) }
        if !isKnown || evenIfKnown { add(child, quietly: quietly) }
        return child
    }

    /// Returns the targets that already include it, or have a watch left for it; none if that is
    /// still open, and then the directory is scanned again.
    private func admit(
        _ heirs: [PathTarget], besides former: [PathTarget], to node: PathNode
    ) -> [PathTarget] {
        func isAdmitted(_ heir: PathTarget) -> Bool {
            heir.share.hasRoom || former.contains { $0 === heir }
        }
        if heirs.allSatisfy(isAdmitted) { return heirs }
        if table.hasRemoved {
            add(node, quietly: false)
            return []
        }
        for heir in heirs where !isAdmitted(heir) {
            recordFault(heir.share.shortage, of: [heir], at: node)
        }
        return heirs.filter(isAdmitted)
    }
}

extension PathNode {
    /// Whether a scan reports the entries: they may have come before the watch.
    fileprivate var isToldOfScan: Bool { isFresh && !isScannedQuietly }

    /// The targets that this directory belongs to.
    var audience: [PathTarget] {
        // Mostly all are inherited, and then no new list is made.
        attached.isEmpty ? inherited : inherited + attached.filter(\.isDirectory)
    }
}
