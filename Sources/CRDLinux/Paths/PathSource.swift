// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc

/// Changes in the file system, from one inotify(7) instance for all modules.
///
/// `PathWalk` follows every path name by name from the root directory, and watches each step. When
/// a change makes the path mean something else, the walk is repeated. `TreeScan` watches and scans
/// the directories that belong to a trigger. Some changes are missed: those before a watch existed,
/// and those dropped because the kernel's queue was full. Their modules still get an event that
/// something happened.
public final class PathSource: BackloggedSource {
    let table: WatchTable
    private let mounts: MountMap
    let scan: TreeScan
    /// How many directory entries one turn scans; tests use fewer.
    var scanShare = TreeScan.share
    /// How many turns' shares are scanned at once for new triggers: enough for most trees.
    private static let armingTurns = 16
    /// How long one turn may take for the records, and for the scan, so that they delay nothing
    /// else.
    private static let timeShare = Duration.milliseconds(5)
    /// How many names one turn may look up to resolve targets again. Further targets are resolved
    /// at its end, each once: who renames a directory over and over changes the same ones.
    private static let namesShare = 1_024
    private var namesLeft = namesShare
    /// How many names were looked up since the start.
    private(set) var namesLookedUp = 0
    private var deferred: [PathTarget] = []
    /// The map of mounts was brought up to date in this turn.
    private var areMountsFresh = false
    /// Recursive targets that were armed while their trees were not scanned to the end.
    private var late: [PathTarget] = []
    private let root = PathNode.root()
    /// By module, in the order in which they were added: one module's few are looked up often, all
    /// of them rarely.
    private var targets: [ModuleID: [PathTarget]] = [:]
    private var renames = RenameMemory()
    /// The modules reported as deaf, with the reason.
    private var deaf: [ModuleID: String] = [:]
    /// Why paths left to other watchers cannot be watched there, by module and mount point.
    private var stalls: [ModuleID: [[UInt8]: String]] = [:]
    /// The set of triggers on stalling mounts may have changed in this turn.
    private var hasNewBorders = false
    /// Called at the end of a turn in which `stallingTriggers` has changed.
    public var bordersChanged: () -> Void = {}
    /// Nodes whose watch the kernel has ended in this turn, and the change that this may mean.
    private var orphans: [(node: PathNode, change: Change)] = []
    /// Targets that vanished in this turn but were back by the time they were resolved.
    private var reborn: [PathTarget] = []
    /// The modules' deafness may have changed and is not reported yet.
    private var isUnsettled = false
    private var outbox: [Event] = []
    /// The timestamp of this turn, made on first use.
    private var time: String?
    /// The modules and paths that the current record has triggered already.
    private var triggered: [(module: ModuleID, path: [UInt8])] = []
    /// How often the kernel's queue overflowed.
    public private(set) var overflows = 0

    /// Calls inotify_init1(2).
    ///
    /// - Parameter mounts: where not to look up names, since the lookup might never return; empty
    ///   for a process that may block.
    public init(mounts: MountMap = MountMap()) throws(SystemCallError) {
        table = try WatchTable()
        self.mounts = mounts
        scan = TreeScan(table, mounts)
        scan.avoided = { [unowned self] in avoid($0, $1, quietly: $2) }
    }

    public var descriptor: CInt { table.inotify.descriptor }
    public var hasBacklog: Bool {
        table.inotify.hasUnread || !scan.isDone || table.hasRetired
    }

    /// Watches the paths of the triggers.
    ///
    /// Of very large trees, a part is scanned in later turns. Then the modules get an event that
    /// something happened when all is watched, since a check that runs before might miss changes.
    ///
    /// - Parameter areNews: report existing files too, since nothing saw them appear.
    public func arm(
        _ triggers: [(ModuleID, PathTrigger)], areNews: Bool = false, into events: inout [Event]
    ) {
        var added: [PathTarget] = []
        for (module, trigger) in triggers {
            let target = PathTarget(trigger, of: module, share: share(of: module, trigger))
            targets[module, default: []].append(target)
            added.append(target)
        }
        for target in added { resolve(target, because: areNews ? .mounted : .nothing) }
        finishTurn(share: Self.armingTurns * scanShare, into: &events)
        if !scan.isDone && !areNews { late += added.filter(\.isRecursive) }
    }

    /// Returns the share of a module's triggers, which they have in common while its manifest sets
    /// the same `watches-max`.
    private func share(of module: ModuleID, _ trigger: PathTrigger) -> WatchShare {
        targets[module]?.first { $0.trigger.watchesMax == trigger.watchesMax }?.share
            ?? WatchShare(max: trigger.watchesMax)
    }

    /// Stops watching for these triggers.
    public func disarm(_ triggers: [(ModuleID, PathTrigger)], into events: inout [Event]) {
        for (module, trigger) in triggers {
            let place = targets[module]?.firstIndex { $0.trigger == trigger }
            if let place, let target = targets[module]?.remove(at: place) { drop(target) }
            if targets[module]?.isEmpty == true { targets[module] = nil }
        }
        for module in Set(triggers.map(\.0)).sorted(by: { $0.index < $1.index })
        where targets[module] == nil {
            // The module's number may soon be reused.
            stalls[module] = nil
            if deaf.removeValue(forKey: module) != nil { events.append(.rearmed(module, .path)) }
        }
        isUnsettled = true
        finishTurn(into: &events)
    }

    private func drop(_ target: PathTarget) {
        attach(target, to: nil, isDirectory: false, isExposed: false, isQuiet: true)
        hasNewBorders = hasNewBorders || target.border != nil || !target.stallingBranches.isEmpty
        for node in target.way.reversed() {
            node.passing.removeFirst(target)
            table.prune(node)
        }
        if root.isIdle { table.disarm(root) }
        reborn.removeAll { $0 === target }
        late.removeAll { $0 === target }
        deferred.removeAll { $0 === target }
    }

    /// Retries the watches that failed for this module.
    public func rearm(_ module: ModuleID, into events: inout [Event]) {
        for target in targets[module] ?? [] where target.fault != nil {
            target.fault = nil
            resolve(target, because: .nothing)
        }
        scan.retry { $0.module == module }
        isUnsettled = true
        finishTurn(into: &events)
    }

    /// The number of watched inodes.
    var watchCount: Int { table.count }

    /// Returns the first of the module's paths that does not exist.
    public func missingPath(of module: ModuleID) -> String? {
        targets[module]?.first { $0.node == nil && $0.fault == nil && $0.border == nil }?
            .trigger.path
    }

    /// Sorted by module number.
    private var allTargets: [PathTarget] {
        targets.sorted { $0.key.index < $1.key.index }.flatMap(\.value)
    }

    // MARK: Mounts that may stall

    /// The triggers that this source leaves to others, since they lie on mounts that may stall;
    /// true if files found there are news.
    public var stallingTriggers: [StallingTrigger: Bool] {
        var found: [StallingTrigger: Bool] = [:]
        for target in targets.values.joined() {
            if let border = target.border, let type = mounts.fileSystem(at: border) {
                let trigger = StallingTrigger(
                    target.trigger, of: target.module, at: border.path(), type, isNamed: true)
                found[trigger] = target.isBorderNew
            }
            for (mountPoint, isNew) in target.stallingBranches {
                guard let type = mounts.fileSystem(at: mountPoint),
                    let path = String(validating: shown(mountPoint, to: target), as: UTF8.self)
                else { continue }
                var trigger = target.trigger
                trigger.path = path
                let stalling = StallingTrigger(
                    trigger, of: target.module, at: mountPoint, type, isNamed: false)
                found[stalling] = isNew
            }
        }
        return found
    }

    /// Records why the module's triggers on a mount cannot be watched elsewhere; nil if they can.
    ///
    /// - Parameter mountPoint: empty for a reason that concerns several mounts.
    public func recordStall(
        _ reason: String?, of module: ModuleID, at mountPoint: [UInt8], into events: inout [Event]
    ) {
        guard stalls[module]?[mountPoint] != reason else { return }
        stalls[module, default: [:]][mountPoint] = reason
        if stalls[module]?.isEmpty == true { stalls[module] = nil }
        isUnsettled = true
        finishTurn(into: &events)
    }

    private func avoid(_ path: [UInt8], _ heirs: [PathTarget], quietly: Bool) {
        for target in heirs where target.stallingBranches[path] == nil {
            target.stallingBranches[path] = !quietly
            hasNewBorders = true
        }
    }

    /// Scans a directory again that was a mount point: unmounted, it is an ordinary part of the
    /// tree.
    private func includeAgain(_ path: [UInt8]) {
        guard mounts.fileSystem(at: path)?.mayStall != true else { return }
        for target in allTargets where target.stallingBranches.removeValue(forKey: path) != nil {
            hasNewBorders = true
            guard
                let parent = node(at: Array(path[..<(path.lastIndex(of: UInt8(ascii: "/")) ?? 0)]))
            else { continue }
            tell(target, shown(path, to: target), .unmount, isDirectory: true)
            scan.add(parent, quietly: false)
        }
    }

    func node(at path: [UInt8]) -> PathNode? {
        var node = root
        for name in path.split(separator: UInt8(ascii: "/")) {
            guard let child = node.children[FileName(name)] else { return nil }
            node = child
        }
        return node
    }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        try table.inotify.read(until: Clock.now + Self.timeShare) { receive($0) }
        if table.inotify.hasUnread {
            // What several records say together is judged when all were read.
            deliver(into: &events)
        } else {
            finishTurn(into: &events)
        }
    }

    /// Handles mounts and unmounts, most of which inotify does not report.
    public func receive(_ changes: [MountSource.Change], into events: inout [Event]) {
        for change in changes { receive(change) }
        finishTurn(into: &events)
    }

    private func finishTurn(share: Int? = nil, into events: inout [Event]) {
        adoptOrphans()
        resolveDeferred()
        tellOfReborn()
        if !scan.isDone { refreshMounts() }
        // Without a limit for arming, or how busy the machine is would decide what is told.
        let end = share == nil ? Clock.now + Self.timeShare : nil
        scan.run(atMost: share ?? scanShare, until: end) { node, name, isDirectory in
            triggered.removeAll(keepingCapacity: true)
            for target in node.audience
            where target.awaitsArrivals && target.counts(name, isDirectory: isDirectory) {
                tell(target, at: node, name, .create, isDirectory: isDirectory)
            }
        }
        tellOfMissed()
        table.releaseSurplus()
        if scan.isDone {
            reportUnknownChange(late)
            late = []
            // Not earlier: the scan gives moved directories their watches back.
            table.releaseRetired()
        }
        settleHearing()
        namesLeft = Self.namesShare
        deliver(into: &events)
    }

    /// Brings the map of mounts up to date before anything is looked up that a record has told of:
    /// a directory may be a mount point as soon as it is made. Not for each event of a file.
    private func refreshMounts() {
        if !areMountsFresh { mounts.refresh() }
        areMountsFresh = true
    }

    private func deliver(into events: inout [Event]) {
        areMountsFresh = false
        events += outbox
        outbox.removeAll(keepingCapacity: true)
        time = nil
        guard hasNewBorders else { return }
        hasNewBorders = false
        bordersChanged()
    }

    // MARK: Records

    private func receive(_ record: Inotify.Record) {
        triggered.removeAll(keepingCapacity: true)
        if record.isOverflow { return rescan() }
        guard let watch = table[record.watch] else { return }
        if record.isUnmount {
            watch.isUnmounted = true
        } else if record.isLast {
            end(watch)
        } else if let name = record.name {
            var isNeeded = false
            for node in watch.nodes where !node.isRemoved {
                isNeeded = true
                receive(record, of: name, in: node)
            }
            if !isNeeded { watch.keep(record, of: name) }
        } else {
            for node in watch.nodes where !node.isRemoved { receiveOwn(record, of: node) }
        }
    }

    /// Handles a record about a name in a watched directory.
    private func receive(
        _ record: Inotify.Record, of name: UnsafePointer<CChar>, in node: PathNode
    ) {
        let (events, isDirectory) = (record.events, record.isDirectory)
        let from = renames.pair(record, of: name, in: node)
        for target in node.audience where target.counts(name, isDirectory: isDirectory) {
            var wanted = events
            if isDirectory && target.isRecursive { wanted.formUnion(events.ofThemselves) }
            wanted.formIntersection(target.trigger.events)
            tell(target, at: node, name, wanted, isDirectory: isDirectory, from: from)
        }
        guard !events.isDisjoint(with: .ofNames) else { return }
        if !node.children.isEmpty, let child = node.children[FileName(name)] {
            let heirs = child.inherited
            if !heirs.isEmpty && !events.isDisjoint(with: .departures) {
                table.release(child, by: heirs)
                // Of two exchanged names, both depart and both arrive, and not in that order.
                if !node.isRemoved && scan.hasDirectory(name, in: node) {
                    scan.inherit(name, of: node, by: heirs, evenIfKnown: true, quietly: false)
                }
            }
            let entry = Change.Entry(
                node: child, events: events, isDirectory: isDirectory, from: from)
            for target in child.passing { resolveOrDefer(target, because: .entry(entry)) }
        }
        if isDirectory && !events.isDisjoint(with: [.create, .movedTo]) && !node.isRemoved {
            refreshMounts()
            scan.inherit(
                name, of: node, by: node.audience.filter(\.isRecursive), evenIfKnown: true,
                quietly: false)
        }
    }

    /// Handles a record about the watched inode itself. Departures are skipped: the directory above
    /// reports moves and deletions.
    private func receiveOwn(_ record: Inotify.Record, of node: PathNode) {
        let own = record.events.subtracting(.departures)
        for target in node.attached {
            let events = own.intersection(target.trigger.events)
            tell(target, target.path, events, isDirectory: target.isDirectory)
        }
    }

    /// Handles the end of a watch by the kernel: its inode or its file system is gone.
    private func end(_ watch: Watch) {
        let change = watch.isUnmounted ? Change.unmounted : .vanished
        orphans += table.forget(watch).map { ($0, change) }
    }

    /// Restores ended watches. Only at the end of the turn, since the kernel first ends the watch
    /// on a file and then reports the deletion to its directory.
    private func adoptOrphans() {
        for (node, change) in orphans where !node.isRemoved {
            triggered.removeAll(keepingCapacity: true)
            resolve(through: node, because: change)
            if !node.inherited.isEmpty { scan.add(node, quietly: false) }
        }
        orphans = []
    }

    /// Reports targets that exist again without a record that says how: they may have been made
    /// before their directory was watched.
    private func tellOfReborn() {
        for target in reborn where target.isAwaited && target.node != nil {
            triggered.removeAll(keepingCapacity: true)
            tellOfChange(target, .vanished)
        }
        reborn = []
    }

    /// Reports departures from directories that were being moved: a scan finds only arrivals.
    private func tellOfMissed() {
        for (node, departures) in table.takeMissed() where !node.isRemoved {
            for departure in departures {
                triggered.removeAll(keepingCapacity: true)
                withPath(departure.name.bytes) { name in
                    for target in node.audience
                    where target.counts(name, isDirectory: departure.isDirectory) {
                        let events = departure.events.intersection(target.trigger.events)
                        tell(target, at: node, name, events, isDirectory: departure.isDirectory)
                    }
                }
            }
        }
    }

    /// Handles an overflow of the kernel's queue. The dropped records are unknown, so every module
    /// gets an event and every directory is scanned again.
    private func rescan() {
        overflows += 1
        let targets = allTargets
        for target in targets { resolve(target, because: .nothing) }
        var waiting = [root]
        while let node = waiting.popLast() {
            waiting += node.children.values
            if !node.audience.isEmpty { scan.add(node, quietly: false) }
        }
        reportUnknownChange(targets)
    }

    /// Tells each module of these targets that something may have happened that no record tells.
    private func reportUnknownChange(_ targets: [PathTarget]) {
        var told: Set<ModuleID> = []
        for target in targets where told.insert(target.module).inserted {
            var event = PathEvent(path: target.path, [])
            event.isDirectory = target.isDirectory
            event.isOverflow = true
            emit(event, to: target)
        }
    }

    private func receive(_ change: MountSource.Change) {
        triggered.removeAll(keepingCapacity: true)
        if !change.isMounted { includeAgain(change.path) }
        guard let node = node(at: change.path) else { return }
        let cause = change.isMounted ? Change.mounted : .unmounted
        resolve(through: node, because: cause)
        guard !node.inherited.isEmpty else { return }
        let event = change.isMounted ? PathEvents.create : .unmount
        for target in node.inherited where target.awaitsArrivals || event == .unmount {
            tell(target, at: node, nil, event, isDirectory: true)
        }
        if mounts.fileSystem(at: node)?.mayStall == true {
            let heirs = node.inherited
            avoid(node.path(), heirs, quietly: false)
            table.release(node, by: heirs)
        } else {
            scan.add(node, quietly: false)
        }
    }

    // MARK: Resolving targets

    /// Why a path may mean something else than before.
    private enum Change {
        /// A record about one of the names on the path.
        struct Entry {
            let node: PathNode
            let events: PathEvents
            let isDirectory: Bool
            let from: [UInt8]?

            var isDeparture: Bool { !events.isDisjoint(with: .departures) }
        }

        /// A change that needs no event: the module is checked anyhow.
        case nothing
        case entry(Entry)
        case vanished
        case mounted
        case unmounted

        var isNothing: Bool {
            if case .nothing = self { true } else { false }
        }
    }

    /// Resolves again every target that depends on a node.
    private func resolve(through node: PathNode, because change: Change) {
        // Every path leads through the root directory, which has no name.
        for target in node === root ? node.attached : node.passing {
            resolveOrDefer(target, because: change)
        }
    }

    private func resolveOrDefer(_ target: PathTarget, because change: Change) {
        guard namesLeft <= 0 else { return resolve(target, because: change) }
        if !target.isDeferred { deferred.append(target) }
        target.isDeferred = true
    }

    private func resolveDeferred() {
        for target in deferred {
            target.isDeferred = false
            triggered.removeAll(keepingCapacity: true)
            resolve(target, because: .vanished)
            // It may have been gone for a moment, or something else been there.
            guard target.node != nil, triggered.isEmpty else { continue }
            target.isAwaited = true
            reborn.append(target)
        }
        deferred = []
    }

    /// Resolves the target again, and reports a change to its module.
    private func resolve(_ target: PathTarget, because change: Change) {
        let (way, finals, node) = (target.way, target.finals, target.node)
        let (watched, border) = (target.watched, target.border)
        refreshMounts()
        let walk = PathWalk(target.path, root: root, table: table, mounts: mounts)
        namesLeft -= walk.count
        namesLookedUp += walk.count
        target.way = walk.way
        target.finals = walk.finals
        target.fault = target.fault ?? walk.fault
        target.border = walk.border
        let hidden = walk.fileSystem.flatMap { $0.hidesChanges ? $0 : nil }
        isUnsettled = isUnsettled || target.hidingFileSystem != hidden
        target.hidingFileSystem = hidden
        if border !== walk.border {
            hasNewBorders = true
            target.isBorderNew = !change.isNothing
        }
        defer { isUnsettled = isUnsettled || target.fault != nil }
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

    // MARK: Reporting to modules

    /// Reports that one of the target's own names was made, removed or moved.
    ///
    /// - Parameter replaces: something else was there before.
    private func tellOfOwnName(
        _ target: PathTarget, _ entry: Change.Entry, replaces: Bool
    ) {
        guard !entry.isDeparture else {
            target.isAwaited = true
            if target.node != nil { reborn.append(target) }
            let events = entry.events.union(entry.events.ofThemselves)
            return tell(
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
        tell(
            target, target.path, events, isDirectory: entry.isDirectory,
            from: entry.from.map { shown($0, to: target) })
    }

    /// Reports that the path means something else, because of a change above it.
    private func tellOfChange(_ target: PathTarget, _ change: Change) {
        if case .unmounted = change {
            return tell(target, target.path, .unmount, isDirectory: target.isDirectory)
        }
        // Another watcher covers the part beyond the mount point.
        if target.border != nil { return }
        if target.node != nil {
            target.isAwaited = false
            guard target.awaitsArrivals else { return }
            tell(target, target.path, .create, isDirectory: target.isDirectory)
        } else if target.awaitsDepartures {
            var events = PathEvents.delete
            if case .entry(let entry) = change, entry.events.contains(.movedFrom) {
                events = .movedFrom
            }
            let wanted = events.union(events.ofThemselves).intersection(target.trigger.events)
            tell(
                target, target.path, wanted.isEmpty ? events : wanted,
                isDirectory: target.isDirectory)
        }
    }

    /// Reports a name in one of the target's directories, or that directory itself.
    private func tell(
        _ target: PathTarget, at node: PathNode, _ name: UnsafePointer<CChar>?,
        _ events: PathEvents, isDirectory: Bool, from: [UInt8]? = nil
    ) {
        guard !events.isEmpty, let top = target.node else { return }
        var path = target.path
        if node !== top { path += node.path(from: top) }
        if let name { path.append(name) }
        tell(
            target, path, events, isDirectory: isDirectory,
            from: from.map { shown($0, to: target) })
    }

    private func tell(
        _ target: PathTarget, _ path: [UInt8], _ events: PathEvents, isDirectory: Bool = false,
        from: [UInt8]? = nil
    ) {
        guard !events.isEmpty,
            !triggered.contains(where: { $0.module == target.module && $0.path == path })
        else { return }
        triggered.append((target.module, path))
        var event = PathEvent(path: path, events, isDirectory: isDirectory)
        event.from = from
        emit(event, to: target)
    }

    private func emit(_ event: PathEvent, to target: PathTarget) {
        let time = time ?? Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds)
        self.time = time
        outbox.append(.triggered(target.module, event.triggerEvent(at: time)))
    }

    /// Returns a path as the target's module writes it, which may be through a link.
    private func shown(_ path: [UInt8], to target: PathTarget) -> [UInt8] {
        guard let top = target.node?.path(), top != target.path, path.starts(with: top) else {
            return path
        }
        return target.path + path.dropFirst(top.count)
    }

    /// Reports modules that became deaf or deaf for another reason, and those that recovered.
    private func settleHearing() {
        guard isUnsettled || scan.hasFailed else { return }
        // The rest of the scan may end a module's deafness.
        (isUnsettled, scan.hasFailed) = (!scan.isDone, false)
        let reasons = reasonsOfDeafness()
        for (module, reason) in reasons.sorted(by: { $0.key.index < $1.key.index })
        where deaf[module] != reason {
            deaf[module] = reason
            outbox.append(.deafened(module, .path, reason: reason))
        }
        guard scan.isDone else { return }
        let healed = deaf.keys.filter { reasons[$0] == nil }.sorted { $0.index < $1.index }
        for module in healed { deaf[module] = nil }
        outbox += healed.map { .rearmed($0, .path) }
    }

    /// Returns the reasons by module: one failed watch, all stalled mounts, or else one file system
    /// that hides changes.
    private func reasonsOfDeafness() -> [ModuleID: String] {
        var faults: [ModuleID: String] = [:]
        var hidden: [ModuleID: String] = [:]
        for target in targets.values.joined() {
            if let fault = target.fault, faults[target.module] == nil {
                faults[target.module] = fault
            }
            if let type = target.hidingFileSystem, hidden[target.module] == nil {
                hidden[target.module] = type.silence(at: target.trigger.path)
            }
        }
        var reasons = faults
        for (module, stalls) in stalls {
            for (_, reason) in stalls.sorted(by: { $0.value < $1.value }) {
                reasons[module] = reasons[module].map { "\($0); \(reason)" } ?? reason
            }
        }
        return reasons.merging(hidden) { first, _ in first }
    }
}

extension FileSystemType {
    /// Explains why a trigger on this file system is not enough.
    public func silence(at path: String) -> String {
        "inotify(7) does not report all changes on \(name), where '\(path)' lies"
    }
}
