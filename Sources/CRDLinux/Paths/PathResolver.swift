// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Finds out where the targets' paths lead, again after each change on the way, and tells the
/// modules what it means to them.
final class PathResolver {
    /// How many names one turn may look up to resolve targets again. Further targets wait for the
    /// next turns, each once: who renames a directory over and over changes the same ones.
    private static let namesShare = 256
    private var namesLeft = namesShare
    /// How many names were looked up since the start.
    private(set) var namesLookedUp = 0
    private let deferred = DeferredTargets()
    /// Nodes all of whose targets are to be deferred, each once.
    private var deferredNodes: [PathNode] = []
    /// Whether the map of mounts is up to date, since events were last delivered; nil: not asked.
    private var areMountsKnown: Bool?
    /// Since when it is not.
    private var unknownSince: Instant?
    /// How long targets may wait for it until their listeners are deaf.
    private static let patience = Duration.seconds(5)
    private static let unknownMounts =
        "mounts come and go faster than crd can read the mount table, so no path can be followed; find out who makes them, for example with: findmnt --poll"
    let root = PathNode.root()
    /// Nodes whose watch the kernel has ended in this turn, and the change that this may mean.
    private var orphans: [(node: PathNode, change: PathChange)] = []
    /// Targets that vanished in this turn but were back by the time they were resolved.
    private var reborn: [PathTarget] = []
    /// The set of triggers on stalling mounts may have changed in this turn.
    var hasNewBorders = false

    private let table: WatchTable
    private let mounts: MountMap
    private let scan: TreeScan
    private let reports: PathReports

    init(_ table: WatchTable, _ mounts: MountMap, _ scan: TreeScan, _ reports: PathReports) {
        self.table = table
        self.mounts = mounts
        self.scan = scan
        self.reports = reports
    }

    func node(at path: [UInt8]) -> PathNode? {
        var node = root
        for name in path.split(separator: UInt8(ascii: "/")) {
            guard let child = node.children[FileName(name)] else { return nil }
            node = child
        }
        return node
    }

    /// Takes a target out of the tree.
    func drop(_ target: PathTarget) {
        attach(target, to: nil, isDirectory: false, isExposed: false, isQuiet: true)
        hasNewBorders = hasNewBorders || target.border != nil || !target.stallingBranches.isEmpty
        for node in target.way.reversed() {
            node.passing.removeFirst(target)
            table.prune(node)
        }
        if root.isIdle { table.disarm(root) }
        reborn.removeAll { $0 === target }
        deferred.remove(target)
    }

    // MARK: The turn

    /// Brings the map of mounts up to date before anything is looked up that a record has told of:
    /// a directory may be a mount point as soon as it is made. Not for each event of a file.
    ///
    /// - Returns: false while it cannot be; then nothing may be looked up.
    func refreshMounts() -> Bool {
        if let areMountsKnown { return areMountsKnown }
        let isKnown = mounts.refresh()
        areMountsKnown = isKnown
        unknownSince = isKnown ? nil : unknownSince ?? Clock.now
        return isKnown
    }

    /// Events were delivered: what is looked up from now on needs the mounts of then.
    func endTurn() { areMountsKnown = nil }

    /// Drops a watch that the kernel has ended: its inode or its file system is gone.
    func end(_ watch: Watch) {
        let change = watch.isUnmounted ? PathChange.unmounted : .vanished
        orphans += table.forget(watch).map { ($0, change) }
    }

    /// Whether targets wait for the next turn.
    var hasDeferred: Bool { !deferred.isEmpty || !deferredNodes.isEmpty }

    /// Does what was put off until all records of the turn were read.
    ///
    /// - Parameter end: when deferred targets are left to the next turn; nil: never.
    func finishTurn(until end: Instant?) {
        adoptOrphans()
        resolveDeferred(until: end)
        tellOfReborn()
        namesLeft = Self.namesShare
    }

    /// Restores ended watches. Only at the end of the turn, since the kernel first ends the watch
    /// on a file and then reports the deletion to its directory.
    private func adoptOrphans() {
        for (node, change) in orphans where !node.isRemoved {
            reports.beginCause()
            resolve(through: node, because: change)
            if !node.inherited.isEmpty { scan.add(node, quietly: false) }
        }
        orphans = []
    }

    /// Reports targets that exist again without a record that says how: they may have been made
    /// before their directory was watched.
    private func tellOfReborn() {
        for target in reborn where target.isAwaited && target.node != nil {
            reports.beginCause()
            tellOfChange(target, .vanished)
        }
        reborn = []
    }

    // MARK: Resolving

    /// Resolves again every target that depends on a node.
    func resolve(through node: PathNode, because change: PathChange) {
        // Who renames a directory over and over makes thousands of records, and hundreds of targets
        // may depend on it.
        guard mayResolve else {
            if !node.isDeferred { deferredNodes.append(node) }
            node.isDeferred = true
            return
        }
        for target in dependents(of: node) {
            if mayResolve && target.deferral == .none {
                resolve(target, because: change)
            } else {
                deferred.append(target, as: .changed)
            }
        }
    }

    /// Every path leads through the root directory, which has no name.
    private func dependents(of node: PathNode) -> [PathTarget] {
        node === root ? node.attached : node.passing
    }

    /// Whether the turn's share of names lasts.
    private var mayResolve: Bool { namesLeft > 0 }

    /// Resolves the target again after an overflow, at the end of this turn or of one of the next,
    /// and then tells its listener of an unknown change.
    func reconsider(_ target: PathTarget) { deferred.append(target, as: .overflowed) }

    /// Resolves deferred targets. All of them may take a second: a module may have hundreds, whose
    /// paths lead through hundreds of names each.
    private func resolveDeferred(until end: Instant?) {
        for node in deferredNodes {
            node.isDeferred = false
            for target in dependents(of: node) { deferred.append(target, as: .changed) }
        }
        deferredNodes = []
        guard !deferred.isEmpty else { return }
        guard refreshMounts() else { return tellOfUnknownMounts() }
        while let (target, isChanged, told) = deferred.popFirst() {
            reports.beginCause()
            resolve(target, because: isChanged ? .vanished : .nothing)
            // It may have been gone for a moment, or something else been there.
            if isChanged && target.node != nil && !reports.hasTriggered {
                target.isAwaited = true
                reborn.append(target)
            }
            if let told { reports.tellUnknownChange(to: [told]) }
            if let end, Clock.now > end { return }
        }
    }

    private func tellOfUnknownMounts() {
        guard let unknownSince, unknownSince + Self.patience <= Clock.now else { return }
        for target in deferred.all where target.fault == nil {
            target.fault = Self.unknownMounts
            reports.isUnsettled = true
        }
    }

    /// Resolves the target again, and reports a change to its module.
    func resolve(_ target: PathTarget, because change: PathChange) {
        guard refreshMounts() else {
            return deferred.append(target, as: change.isNothing ? .overflowed : .changed)
        }
        if target.fault == Self.unknownMounts {
            target.fault = nil
            reports.isUnsettled = true
        }
        let (way, finals, node) = (target.way, target.finals, target.node)
        let (watched, border) = (target.watched, target.border)
        let walk = PathWalk(target.path, root: root, table: table, mounts: mounts)
        namesLeft -= walk.count
        namesLookedUp += walk.count
        target.way = walk.way
        target.finals = walk.finals
        target.fault = target.fault ?? walk.fault
        target.border = walk.border
        let hidden = walk.fileSystem.flatMap { $0.hidesChanges ? $0 : nil }
        reports.isUnsettled = reports.isUnsettled || target.hidingFileSystem != hidden
        target.hidingFileSystem = hidden
        if border !== walk.border {
            hasNewBorders = true
            target.isBorderNew = !change.isNothing
        }
        defer { reports.isUnsettled = reports.isUnsettled || target.fault != nil }
        for node in walk.way { node.passing.append(target) }
        attach(
            target, to: walk.node, isDirectory: walk.isDirectory, isExposed: walk.isExposed,
            isQuiet: change.isNothing)
        for node in way.reversed() {
            node.passing.removeFirst(target)
            table.prune(node)
        }

        let hasChanged =
            target.watched != watched || (target.node == nil) != (node == nil)
            || (target.border == nil) != (border == nil)
        switch change {
        case .nothing: if target.node != nil { target.isAwaited = false }
        case .entry(let entry) where (finals + target.finals).contains { $0 === entry.node }:
            tellOfOwnName(target, entry, replaces: node != nil && hasChanged)
        case .entry(let entry) where node != nil && entry.isDeparture && !hasChanged:
            // The departed name was back before this record was read.
            target.isAwaited = true
            reborn.append(target)
        case _ where hasChanged: tellOfChange(target, change)
        default: break
        }
        if target.node == nil { target.isAwaited = true }
    }

    private func attach(
        _ target: PathTarget, to node: PathNode?, isDirectory: Bool, isExposed: Bool,
        isQuiet: Bool
    ) {
        if let old = target.node, old !== node || target.isDirectory != isDirectory {
            old.attached.removeFirst(target)
            table.releaseChildren(of: old, by: target)
            // Other paths may pass this file's name, but they need no watch on the file.
            if !target.isDirectory && old.attached.isEmpty { table.disarm(old) }
            table.prune(old)
            target.node = nil
        }
        let isNew = target.node == nil
        target.watched = nil
        guard let node else { return }
        if isNew { node.attached.append(target) }
        target.node = node
        target.isDirectory = isDirectory
        let events = isDirectory ? target.eventsOfDirectory : target.eventsOfFile
        do throws(SystemCallError) {
            try table.arm(
                node, events, onlyIfDirectory: isDirectory, isExposed: isExposed)
            target.watched = node.watch?.descriptor
        } catch {
            if !error.meansNothingThere { target.fault = target.fault ?? "\(error)" }
        }
        let isFresh = node.isFresh || target.watched == nil
        if isDirectory && (target.isRecursive ? isNew || isFresh : isFresh) {
            scan.add(node, quietly: isQuiet)
        }
    }

    // MARK: What a change means to the module

    /// Reports that one of the target's own names was made, removed or moved.
    ///
    /// - Parameter replaces: something else was there before.
    private func tellOfOwnName(
        _ target: PathTarget, _ entry: PathChange.Entry, replaces: Bool
    ) {
        guard !entry.isDeparture else {
            target.isAwaited = true
            if target.node != nil { reborn.append(target) }
            let events = entry.events.union(entry.events.ofThemselves)
            return reports.tell(
                target, target.path, events.intersection(target.trigger.events),
                isDirectory: entry.isDirectory)
        }
        // A path that was missing counts as created, however it came.
        var arrival = target.isAwaited ? entry.events.union(.create) : entry.events
        if replaces { arrival.insert(.deleteSelf) }
        target.isAwaited = target.node == nil
        let wanted = arrival.intersection(target.trigger.events)
        let sees = !target.trigger.events.intersection(.ofContent).subtracting(.departures).isEmpty
        // Changes of its content before it was watched are unknown.
        let events = wanted.isEmpty && sees ? arrival.subtracting(.departures) : wanted
        reports.tell(
            target, target.path, events, isDirectory: entry.isDirectory,
            from: entry.from.map { reports.shown($0, to: target) })
    }

    /// Reports that the path means something else, because of a change above it.
    private func tellOfChange(_ target: PathTarget, _ change: PathChange) {
        if case .unmounted = change {
            return reports.tell(target, target.path, .unmount, isDirectory: target.isDirectory)
        }
        // Another watcher covers the part beyond the mount point.
        if target.border != nil { return }
        if target.node != nil {
            target.isAwaited = false
            guard target.awaitsArrivals else { return }
            reports.tell(target, target.path, .create, isDirectory: target.isDirectory)
        } else if target.awaitsDepartures {
            var events = PathEvents.delete
            if case .entry(let entry) = change, entry.events.contains(.movedFrom) {
                events = .movedFrom
            }
            let wanted = events.union(events.ofThemselves).intersection(target.trigger.events)
            reports.tell(
                target, target.path, wanted.isEmpty ? events : wanted,
                isDirectory: target.isDirectory)
        }
    }
}
