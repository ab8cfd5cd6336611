// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import DequeModule
import SystemPackage

/// An inotify watch, and the places that the inode it watches is at: several, where there are hard
/// links or bind mounts.
final class Watch {
    let descriptor: Inotify.WatchDescriptor
    fileprivate(set) var nodes: [PathNode] = []
    /// Its file system is gone; the watch's end comes next.
    var isUnmounted = false
    /// What has gone while nobody needed the watch: the directory may be on its way to another
    /// place, and then somebody there wants to know.
    fileprivate var missed: [Departure] = []

    /// Something that is not in the directory any more.
    struct Departure {
        let name: FileName
        let events: PathEvents
        let isDirectory: Bool
    }

    /// Enough for a hint to whoever comes to need it.
    private static let missedMax = 64

    func keep(_ record: Inotify.Record, of name: UnsafePointer<CChar>) {
        let events = record.events.intersection(.departures)
        guard nodes.isEmpty, !events.isEmpty, missed.count < Self.missedMax else { return }
        missed.append(
            Departure(name: FileName(name), events: events, isDirectory: record.isDirectory))
    }

    fileprivate init(_ descriptor: Inotify.WatchDescriptor) {
        self.descriptor = descriptor
    }
}

/// The watches of the daemon: one an inode, with all events that anybody wants of it.
///
/// A watch that nobody needs any more is ended later, a share each turn: it costs the kernel much,
/// and a directory that was only renamed gets its watch back.
final class WatchTable {
    private static let retiredShare = 64

    let inotify: Inotify
    private var watches: [Inotify.WatchDescriptor: Watch] = [:]
    private var retired: Deque<Watch> = []
    private var missed: [(PathNode, [Watch.Departure])] = []

    init() throws(SystemCallError) {
        inotify = try .make()
    }

    deinit {
        // Watches and places refer to each other.
        for watch in watches.values { watch.nodes = [] }
    }

    subscript(descriptor: Inotify.WatchDescriptor) -> Watch? { watches[descriptor] }

    var hasRetired: Bool { !retired.isEmpty }

    /// Watches what is at the node's path now, for these events beside those it is watched for.
    ///
    /// Marks the node as fresh where that is not what its watch was on before.
    ///
    /// - Parameter isExposed: somebody may put a symbolic link in the place of a directory above it
    ///   just now.
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

    /// What has gone from directories that nobody needed for a while, and now somebody does again.
    func takeMissed() -> [(PathNode, [Watch.Departure])] {
        defer { missed = [] }
        return missed
    }

    /// Nobody needs to know any more what happens at this node.
    func disarm(_ node: PathNode) {
        guard let watch = node.watch else { return }
        node.watch = nil
        watch.nodes.removeAll { $0 === node }
        if watch.nodes.isEmpty { retired.append(watch) }
    }

    /// These targets no longer include the node and what is below it.
    func release(_ node: PathNode, by targets: [PathTarget]) {
        let rest = node.inherited.filter { target in !targets.contains { $0 === target } }
        guard rest.count < node.inherited.count else { return }
        node.inherit(by: rest)
        for child in Array(node.children.values) { release(child, by: targets) }
        prune(node)
    }

    /// Removes the node if nothing depends on it, and so on upwards.
    func prune(_ node: PathNode) {
        var node = node
        while node.isIdle, let parent = node.parent {
            disarm(node)
            node.remove()
            node = parent
        }
    }

    /// The kernel has ended this watch.
    ///
    /// - Returns: the places that it was of.
    func forget(_ watch: Watch) -> [PathNode] {
        watches[watch.descriptor] = nil
        for node in watch.nodes { node.watch = nil }
        defer { watch.nodes = [] }
        return watch.nodes
    }

    /// Ends some of the watches that nobody needs.
    func releaseRetired(atMost share: Int = retiredShare) {
        var rest = share
        while rest > 0, let watch = retired.popFirst() {
            // It may have found use again, or have ended by itself.
            guard watch.nodes.isEmpty, watches[watch.descriptor] === watch else { continue }
            watches[watch.descriptor] = nil
            inotify.remove(watch.descriptor)
            rest -= 1
        }
    }

    /// How many inodes are watched that somebody needs.
    var count: Int { watches.values.count { !$0.nodes.isEmpty } }
}
