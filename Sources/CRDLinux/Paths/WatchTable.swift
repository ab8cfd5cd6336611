// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import DequeModule
import SystemPackage

/// An inotify watch, and the nodes of its inode: several for hard links or bind mounts.
final class Watch {
    let descriptor: Inotify.WatchDescriptor
    fileprivate(set) var nodes: [PathNode] = []
    /// No node needs it, and it waits to be removed.
    fileprivate var isRetired = false
    /// Its file system was unmounted; the end of the watch follows.
    var isUnmounted = false
    /// Departures while no node needed the watch: its directory may be moving to another place,
    /// where a target wants to know.
    fileprivate var missed: [Departure] = []

    /// A name that has left the directory.
    struct Departure {
        let name: FileName
        let events: PathEvents
        let isDirectory: Bool
    }

    /// Enough for a hint to the next target that needs the watch.
    private static let missedMax = 64

    func keep(_ record: Inotify.Record, of name: UnsafePointer<CChar>) {
        let events = record.events.intersection(.departures)
        guard !events.isEmpty, missed.count < Self.missedMax else { return }
        missed.append(
            Departure(name: FileName(name), events: events, isDirectory: record.isDirectory))
    }

    fileprivate init(_ descriptor: Inotify.WatchDescriptor) {
        self.descriptor = descriptor
    }
}

/// The daemon's watches: one for each inode, with all events that any target wants.
///
/// An unneeded watch is removed later, a share each turn. Removal costs the kernel much, and a
/// directory that was only renamed gets its watch back.
final class WatchTable {
    private static let retiredShare = 64
    /// How many watches may wait for their removal until some are removed in any case, so that
    /// trees that come and go take little more than their share; tests use fewer.
    var retiredMax = 4_096
    private static let surplusShare = 512

    let inotify: Inotify
    private var watches: [Inotify.WatchDescriptor: Watch] = [:]
    private(set) var retired: Deque<Watch> = []
    /// What `release` has taken out of the tree and `dismantle` has not reached.
    private var removed: [PathNode] = []
    private var missed: [(PathNode, [Watch.Departure])] = []

    init() throws(SystemCallError) {
        inotify = try .make()
    }

    deinit {
        // Watches and nodes refer to each other.
        for watch in watches.values { watch.nodes = [] }
    }

    subscript(descriptor: Inotify.WatchDescriptor) -> Watch? { watches[descriptor] }

    var hasRetired: Bool { !retired.isEmpty }
    var hasRemoved: Bool { !removed.isEmpty }

    /// Watches the inode now at the node's path, and adds these events to those already watched.
    ///
    /// Marks the node as fresh unless its watch was on that inode already.
    ///
    /// - Parameter isExposed: another user may be replacing a directory above it by a symbolic link
    ///   right now.
    func arm(
        _ node: PathNode, _ events: PathEvents, onlyIfDirectory: Bool, isExposed: Bool
    ) throws(SystemCallError) {
        let descriptor = try add(
            node.path(), events, onlyIfDirectory: onlyIfDirectory, isExposed: isExposed)
        if node.watch?.descriptor == descriptor { return }
        disarm(node)
        let watch = watches[descriptor] ?? Watch(descriptor)
        watches[descriptor] = watch
        watch.nodes.append(node)
        node.watch = watch
        if !watch.missed.isEmpty {
            missed.append((node, watch.missed))
            watch.missed = []
        }
        node.isFresh = true
    }

    private func add(
        _ path: [UInt8], _ events: PathEvents, onlyIfDirectory: Bool, isExposed: Bool
    ) throws(SystemCallError) -> Inotify.WatchDescriptor {
        let links = isExposed ? Inotify.Links.refused : .notFollowedLast
        do throws(SystemCallError) {
            return try inotify.add(path, events, onlyIfDirectory: onlyIfDirectory, links)
        } catch let error where error.errno == .noSpace && hasRetired {
            releaseRetired(atMost: .max)
            return try inotify.add(path, events, onlyIfDirectory: onlyIfDirectory, links)
        }
    }

    /// Returns the missed departures of directories that went unneeded for a while and are needed
    /// again.
    func takeMissed() -> [(PathNode, [Watch.Departure])] {
        defer { missed = [] }
        return missed
    }

    /// Detaches the node from its watch, which is retired if no other node needs it.
    func disarm(_ node: PathNode) {
        guard let watch = node.watch else { return }
        node.watch = nil
        watch.nodes.removeAll { $0 === node }
        guard watch.nodes.isEmpty, !watch.isRetired else { return }
        watch.isRetired = true
        retired.append(watch)
    }

    /// Removes these targets from those that include the node and its descendants.
    ///
    /// A directory that nobody else needs leaves the tree at once and is dismantled later: it may
    /// have a hundred thousand directories below it, and be renamed over and over.
    func release(_ node: PathNode, by targets: [PathTarget]) {
        let rest = node.inherited.filter { target in !targets.contains { $0 === target } }
        guard rest.count < node.inherited.count else { return }
        if rest.isEmpty && node.passing.isEmpty {
            let parent = node.parent
            node.remove()
            removed.append(node)
            if let parent { prune(parent) }
            return
        }
        node.inherit(by: rest)
        for child in Array(node.children.values) { release(child, by: targets) }
        prune(node)
    }

    /// Removes a target from those that include the descendants of a directory.
    func releaseChildren(of node: PathNode, by target: PathTarget) {
        let isShared =
            node.audience.contains(where: \.isRecursive)
            || node.children.values.contains { !$0.passing.isEmpty }
        if isShared {
            for child in Array(node.children.values) { release(child, by: [target]) }
        } else {
            removed += node.removeChildren()
        }
    }

    /// Gives back the watches, and the places in the shares, of some nodes that left the tree.
    ///
    /// - Returns: the number of nodes.
    func dismantle(atMost share: Int) -> Int {
        var count = 0
        while count < share, let node = removed.popLast() {
            count += 1
            node.inherit(by: [])
            node.isQueued = false
            disarm(node)
            removed += node.removeChildren()
        }
        return count
    }

    /// Removes the node if nothing depends on it, then its ancestors likewise.
    func prune(_ node: PathNode) {
        var node = node
        while node.isIdle, let parent = node.parent {
            disarm(node)
            node.remove()
            node = parent
        }
    }

    /// Drops a watch that the kernel has ended.
    ///
    /// - Returns: the nodes that it belonged to.
    func forget(_ watch: Watch) -> [PathNode] {
        watches[watch.descriptor] = nil
        for node in watch.nodes { node.watch = nil }
        defer { watch.nodes = [] }
        return watch.nodes
    }

    /// Removes the oldest retired watches if there are too many.
    func releaseSurplus() {
        let surplus = retired.count - retiredMax
        if surplus > 0 { releaseRetired(atMost: min(surplus, Self.surplusShare)) }
    }

    /// Removes some of the retired watches.
    func releaseRetired(atMost share: Int = retiredShare) {
        var rest = share
        while rest > 0, let watch = retired.popFirst() {
            watch.isRetired = false
            // It may be in use again, or the kernel may have ended it.
            guard watch.nodes.isEmpty, watches[watch.descriptor] === watch else { continue }
            watches[watch.descriptor] = nil
            inotify.remove(watch.descriptor)
            rest -= 1
        }
    }

    /// The number of watched inodes that some node needs.
    var count: Int { watches.values.count { !$0.nodes.isEmpty } }
}
