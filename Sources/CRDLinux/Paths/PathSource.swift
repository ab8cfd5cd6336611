// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc

/// Changes in the file system, from one inotify(7) instance for all listeners.
///
/// `PathWalk` follows every path name by name from the root directory, and watches each step. When
/// a change makes the path mean something else, the walk is repeated. `TreeScan` watches and scans
/// the directories that belong to a trigger. Some changes are missed: those before a watch existed,
/// and those dropped because the kernel's queue was full. Their listeners still get an event that
/// something happened.
public final class PathSource: BackloggedSource {
    let table: WatchTable
    private let mounts: MountMap
    let scan: TreeScan
    /// How many directory entries one turn scans; tests use fewer.
    var scanShare = TreeScan.share
    /// How many turns' shares are scanned at once for new triggers: enough for most trees.
    private static let armingTurns = 16
    /// The same before anybody is served: enough for a tree of 30,000 directories.
    private static let startTurns = 128
    /// How long one turn may take for the records, and for the scan, so that they delay nothing
    /// else.
    private static let timeShare = Duration.milliseconds(5)
    /// How many departed names one turn looks up at once; the scan of their directories finds others.
    private static let looksShare = 64
    private var looksLeft = looksShare
    /// Recursive targets that were armed while their trees were not scanned to the end.
    private var late: [PathTarget] = []
    /// By listener, in the order in which they were added: one listener's few are looked up often,
    /// all of them rarely.
    private var targets: [PathListener: [PathTarget]] = [:]
    private var renames = RenameMemory()
    let resolver: PathResolver
    private let reports = PathReports()
    /// Receives the reports of a turn, and may append events. Unless set, the reports to modules
    /// become events.
    public var report: (PathListener, PathReport, inout [Event]) -> Void = {
        if case .module(let module) = $0 { $2.append($1.event(for: module)) }
    }
    /// Called at the end of a turn in which `stallingTriggers` has changed.
    public var bordersChanged: () -> Void = {}
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
        resolver = PathResolver(table, mounts, scan, reports)
        scan.avoided = { [unowned self] in avoid($0, $1, quietly: $2) }
    }

    public var descriptor: CInt { table.inotify.descriptor }
    public var hasBacklog: Bool {
        table.inotify.hasUnread || !scan.isDone || table.hasRetired || resolver.hasDeferred
    }

    /// Watches the paths of the triggers.
    ///
    /// Of very large trees, a part is scanned in later turns. Then the listeners get an event that
    /// something happened when all is watched, since a check that runs before might miss changes.
    ///
    /// - Parameters:
    ///   - areNews: report existing files too, since nothing saw them appear.
    ///   - isStart: nobody is served yet, so this may take longer.
    public func arm(
        _ triggers: [(PathListener, PathTrigger)], areNews: Bool = false, isStart: Bool = false,
        into events: inout [Event]
    ) {
        var added: [PathTarget] = []
        for (listener, trigger) in triggers {
            let target = PathTarget(trigger, of: listener, share: share(of: listener, trigger))
            targets[listener, default: []].append(target)
            added.append(target)
        }
        for target in added { resolver.resolve(target, because: areNews ? .mounted : .nothing) }
        let turns = isStart ? Self.startTurns : Self.armingTurns
        finishTurn(share: turns * scanShare, into: &events)
        if !scan.isDone && !areNews { late += added.filter(\.isRecursive) }
    }

    /// Returns the share of a listener's triggers, which those with the same `watches-max` have in
    /// common.
    private func share(of listener: PathListener, _ trigger: PathTrigger) -> WatchShare {
        targets[listener]?.first { $0.trigger.watchesMax == trigger.watchesMax }?.share
            ?? WatchShare(max: trigger.watchesMax)
    }

    /// Stops watching for these triggers.
    public func disarm(_ triggers: [(PathListener, PathTrigger)], into events: inout [Event]) {
        for (listener, trigger) in triggers {
            let place = targets[listener]?.firstIndex { $0.trigger == trigger }
            if let place, let target = targets[listener]?.remove(at: place) { drop(target) }
            if targets[listener]?.isEmpty == true { targets[listener] = nil }
        }
        for listener in Set(triggers.map(\.0)).sorted() where targets[listener] == nil {
            reports.forget(listener)
        }
        reports.isUnsettled = true
        finishTurn(into: &events)
    }

    private func drop(_ target: PathTarget) {
        resolver.drop(target)
        late.removeAll { $0 === target }
    }

    /// Retries the watches that failed for this listener.
    public func rearm(_ listener: PathListener, into events: inout [Event]) {
        for target in targets[listener] ?? []
        where target.fault != nil && target.deferral == .none {
            target.fault = nil
            resolver.resolve(target, because: .nothing)
        }
        scan.retry { $0.listener == listener }
        reports.isUnsettled = true
        finishTurn(into: &events)
    }

    /// The number of watched inodes.
    var watchCount: Int { table.count }

    /// Returns the first of the listener's paths that does not exist.
    public func missingPath(of listener: PathListener) -> String? {
        targets[listener]?.first { $0.node == nil && $0.fault == nil && $0.border == nil }?
            .trigger.path
    }

    /// Sorted by listener.
    private var allTargets: [PathTarget] {
        targets.sorted { $0.key < $1.key }.flatMap(\.value)
    }

    // MARK: Mounts that may stall

    /// The triggers that this source leaves to others, since they lie on mounts that may stall;
    /// true if files found there are news.
    public var stallingTriggers: [StallingTrigger: Bool] {
        var found: [StallingTrigger: Bool] = [:]
        for target in targets.values.joined() {
            if let border = target.border, let type = mounts.fileSystem(at: border) {
                let trigger = StallingTrigger(
                    target.trigger, of: target.listener, at: border.path(), type, isNamed: true)
                found[trigger] = target.isBorderNew
            }
            for (mountPoint, isNew) in target.stallingBranches {
                guard let type = mounts.fileSystem(at: mountPoint),
                    let path = String(
                        validating: reports.shown(mountPoint, to: target), as: UTF8.self)
                else { continue }
                var trigger = target.trigger
                trigger.path = path
                let stalling = StallingTrigger(
                    trigger, of: target.listener, at: mountPoint, type, isNamed: false)
                found[stalling] = isNew
            }
        }
        return found
    }

    /// Records why the listener's triggers on a mount cannot be watched elsewhere; nil if they can.
    ///
    /// - Parameter mountPoint: empty for a reason that concerns several mounts.
    public func recordStall(
        _ reason: String?, of listener: PathListener, at mountPoint: [UInt8],
        into events: inout [Event]
    ) {
        if reports.recordStall(reason, of: listener, at: mountPoint) { finishTurn(into: &events) }
    }

    private func avoid(_ path: [UInt8], _ heirs: [PathTarget], quietly: Bool) {
        for target in heirs where target.stallingBranches[path] == nil {
            target.stallingBranches[path] = !quietly
            resolver.hasNewBorders = true
        }
    }

    /// Scans a directory again that was a mount point: unmounted, it is an ordinary part of the
    /// tree.
    private func includeAgain(_ path: [UInt8]) {
        guard mounts.fileSystem(at: path)?.mayStall != true else { return }
        // Unsorted, since somebody may unmount a thousand at once; few have any.
        let excluding = targets.values.joined().filter { $0.stallingBranches[path] != nil }
        for target in excluding.sorted(by: { $0.listener < $1.listener }) {
            target.stallingBranches[path] = nil
            resolver.hasNewBorders = true
            guard
                let parent = resolver.node(
                    at: Array(path[..<(path.lastIndex(of: UInt8(ascii: "/")) ?? 0)]))
            else { continue }
            reports.tell(target, reports.shown(path, to: target), .unmount, isDirectory: true)
            scan.add(parent, quietly: false)
        }
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
        // Without a limit for arming, or how busy the machine is would decide what is told.
        let end = share == nil ? Clock.now + Self.timeShare : nil
        resolver.finishTurn(until: end)
        if !scan.isDone && resolver.refreshMounts() {
            runScan(atMost: share ?? scanShare, until: end)
        }
        tellOfMissed()
        table.releaseSurplus()
        if scan.isDone {
            reports.tellUnknownChange(to: late)
            late = []
            // Not earlier: the scan gives moved directories their watches back.
            table.releaseRetired()
        }
        if reports.isUnsettled || scan.hasFailed {
            scan.hasFailed = false
            reports.settleHearing(of: targets.values.joined(), isScanned: scan.isDone)
        }
        deliver(into: &events)
    }

    private func runScan(atMost share: Int, until end: Instant?) {
        scan.run(atMost: share, until: end) { node, name, isDirectory in
            reports.beginCause()
            for target in node.audience
            where target.awaitsArrivals && target.counts(name, isDirectory: isDirectory) {
                reports.tell(target, at: node, name, .create, isDirectory: isDirectory)
            }
        }
    }

    private func deliver(into events: inout [Event]) {
        resolver.endTurn()
        looksLeft = Self.looksShare
        for (listener, news) in reports.take() { report(listener, news, &events) }
        guard resolver.hasNewBorders else { return }
        resolver.hasNewBorders = false
        bordersChanged()
    }

    // MARK: Records

    private func receive(_ record: Inotify.Record) {
        reports.beginCause()
        if record.isOverflow { return rescan() }
        guard let watch = table[record.watch] else { return }
        if record.isUnmount {
            watch.isUnmounted = true
        } else if record.isLast {
            resolver.end(watch)
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
            reports.tell(target, at: node, name, wanted, isDirectory: isDirectory, from: from)
        }
        guard !events.isDisjoint(with: .ofNames) else { return }
        if !node.children.isEmpty, let child = node.children[FileName(name)] {
            let heirs = child.inherited
            if !heirs.isEmpty && !events.isDisjoint(with: .departures) {
                table.release(child, by: heirs)
                // Of two exchanged names, both depart and both arrive, and not in that order.
                looksLeft -= 1
                if !node.isRemoved && (looksLeft < 0 || !resolver.refreshMounts()) {
                    scan.add(node, quietly: false)
                } else if !node.isRemoved && scan.hasDirectory(name, in: node) {
                    scan.inherit(name, of: node, by: heirs, evenIfKnown: true, quietly: false)
                }
            }
            let entry = PathChange.Entry(
                node: child, events: events, isDirectory: isDirectory, from: from)
            resolver.resolve(through: child, because: .entry(entry))
        }
        if isDirectory && !events.isDisjoint(with: [.create, .movedTo]) && !node.isRemoved {
            // The scan of its parent finds it later.
            guard resolver.refreshMounts() else { return scan.add(node, quietly: false) }
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
            reports.tell(target, target.path, events, isDirectory: target.isDirectory)
        }
    }

    /// Reports departures from directories that were being moved: a scan finds only arrivals.
    private func tellOfMissed() {
        for (node, departures) in table.takeMissed() where !node.isRemoved {
            for departure in departures {
                reports.beginCause()
                withPath(departure.name.bytes) { name in
                    for target in node.audience
                    where target.counts(name, isDirectory: departure.isDirectory) {
                        let events = departure.events.intersection(target.trigger.events)
                        reports.tell(
                            target, at: node, name, events, isDirectory: departure.isDirectory)
                    }
                }
            }
        }
    }

    /// Handles an overflow of the kernel's queue. The dropped records are unknown, so every
    /// listener gets an event and every directory is scanned again.
    private func rescan() {
        overflows += 1
        for target in allTargets {
            resolver.reconsider(target)
            guard target.isDirectory, let node = target.node else { continue }
            scan.add(node, quietly: false, withDescendants: true)
        }
    }

    private func receive(_ change: MountSource.Change) {
        reports.beginCause()
        if !change.isMounted { includeAgain(change.path) }
        guard let node = resolver.node(at: change.path) else { return }
        let cause = change.isMounted ? PathChange.mounted : .unmounted
        resolver.resolve(through: node, because: cause)
        guard !node.inherited.isEmpty else { return }
        let event = change.isMounted ? PathEvents.create : .unmount
        for target in node.inherited where target.awaitsArrivals || event == .unmount {
            reports.tell(target, at: node, nil, event, isDirectory: true)
        }
        if mounts.fileSystem(at: node)?.mayStall == true {
            let heirs = node.inherited
            avoid(node.path(), heirs, quietly: false)
            table.release(node, by: heirs)
        } else {
            scan.add(node, quietly: false)
        }
    }
}
