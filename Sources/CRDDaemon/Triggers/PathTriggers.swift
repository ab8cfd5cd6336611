// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging

/// All path triggers, and the source that watches them once the kernel provides one.
final class PathTriggers: TriggerHost {
    /// The minimum time between two log lines about overflows of the kernel's queue.
    private static let overflowLogPeriod = Duration.seconds(60)

    typealias Trigger = (PathListener, PathTrigger)

    private var triggers: [Trigger]
    private let reactor: Reactor
    private let mounts: MountMap
    private let logger: Logger
    private let reportToDaemon: (PathReport) -> Void
    private var source: PathSource?
    /// Listeners that wait for a source.
    private var waiting: Set<PathListener> = []
    private var overflowsLogged = 0
    private var overflowLoggedAt: Instant?
    private let watchers: MountWatchers
    private var haveBordersChanged = false

    /// - Parameter reportToDaemon: receives what the daemon's own triggers report.
    init(
        _ triggers: TriggersInForce, reactor: Reactor, helpers: HelperProcess.Roll,
        mounts: MountMap, logger: Logger, reportToDaemon: @escaping (PathReport) -> Void
    ) {
        self.triggers = triggers.paths
        self.reactor = reactor
        watchers = MountWatchers(helpers)
        self.mounts = mounts
        self.logger = logger
        self.reportToDaemon = reportToDaemon
    }

    /// Starts to watch; existing files do not count as events.
    func arm(into events: inout [Event]) {
        guard !triggers.isEmpty else { return }
        begin(isStart: true, into: &events)
        settle(into: &events)
    }

    func change(to new: TriggersInForce, _ reload: inout Reload, into events: inout [Event]) {
        let new = new.paths
        let former = Set(triggers.map(Key.init))
        let wanted = Set(new.map(Key.init))
        let dropped = triggers.filter { !wanted.contains(Key($0)) }
        let added = new.filter { !former.contains(Key($0)) }
        guard !dropped.isEmpty || !added.isEmpty else { return }
        triggers = new
        let listening = Set(new.map(\.0))
        for listener in waiting.subtracting(listening).sorted() {
            waiting.remove(listener)
            report(.rearmed, to: listener, into: &events)
        }
        guard let source else {
            if !triggers.isEmpty { begin(into: &events) }
            return settle(into: &events)
        }
        source.disarm(dropped, into: &events)
        source.arm(added, into: &events)
        settle(into: &events)
    }

    private struct Key: Hashable {
        let listener: PathListener
        let trigger: PathTrigger

        init(_ trigger: Trigger) { (listener, self.trigger) = trigger }
    }

    func rearm(_ module: ModuleID, into events: inout [Event]) {
        rearm(.module(module), into: &events)
    }

    /// Retries the listener's triggers that cannot be watched.
    func rearm(_ listener: PathListener, into events: inout [Event]) {
        if let source {
            source.rearm(listener, into: &events)
        } else {
            begin(into: &events)
        }
        watchers.rearm(listener)
        settle(into: &events)
    }

    private func report(
        _ report: PathReport, to listener: PathListener, into events: inout [Event]
    ) {
        switch listener {
        case .daemon: reportToDaemon(report)
        case .module(let module): events.append(report.event(for: module))
        }
    }

    func owns(_ source: any EventSource) -> Bool { self.source === source }

    func lose(_ error: SystemCallError, into events: inout [Event]) {
        source = nil
        watchers.watch([:])
        _ = watchers.takeReports()
        deafen("\(error)", into: &events)
    }

    /// Returns the first of the module's paths that does not exist.
    func missingPath(of module: ModuleID) -> String? {
        source?.missingPath(of: .module(module)) ?? watchers.missingPath(of: .module(module))
    }

    /// Passes on changes of the mount table.
    func receive(_ changes: [MountSource.Change], into events: inout [Event]) {
        source?.receive(changes, into: &events)
    }

    // MARK: Mounts that may stall

    var deadline: Instant? { watchers.deadline }

    /// Passes on the watchers' reports, and passes them the triggers that they are to watch.
    func settle(into events: inout [Event]) {
        watchers.passDeadlines()
        handOver()
        guard let source else {
            _ = watchers.takeReports()
            return
        }
        while case let reports = watchers.takeReports(), !reports.isEmpty {
            for (mountPoint, news) in reports {
                switch news {
                case .happened(let listener, let event):
                    report(.happened(event), to: listener, into: &events)
                case .fault(let listener, let reason):
                    source.recordStall(reason, of: listener, at: mountPoint, into: &events)
                }
            }
            handOver()
        }
    }

    private func handOver() {
        let isPlaceFree = watchers.release()
        guard haveBordersChanged || isPlaceFree else { return }
        haveBordersChanged = false
        watchers.watch(source?.stallingTriggers ?? [:])
    }

    /// How often the kernel's queue overflowed.
    var overflows: Int { source?.overflows ?? 0 }

    func finishTurn(_ events: [Event]) {
        guard overflows > overflowsLogged else { return }
        let now = Clock.now
        if let last = overflowLoggedAt, last + Self.overflowLogPeriod > now { return }
        overflowsLogged = overflows
        overflowLoggedAt = now
        logger.warning(
            "the kernel's queue of path events was full (\(CountedNoun(overflows, "time")) so far), so every module with a path trigger looks again; if this happens often, raise the sysctl fs.inotify.max_queued_events and restart crd"
        )
    }

    private func begin(isStart: Bool = false, into events: inout [Event]) {
        do throws(SystemCallError) {
            let source = try PathSource(mounts: mounts)
            source.report = { [unowned self] in report($1, to: $0, into: &$2) }
            source.bordersChanged = { [unowned self] in haveBordersChanged = true }
            _ = try reactor.add(source)
            self.source = source
            let freed = waiting
            waiting = []
            for listener in freed { report(.rearmed, to: listener, into: &events) }
            source.arm(triggers, isStart: isStart, into: &events)
        } catch {
            deafen("\(error)", into: &events)
        }
    }

    private func deafen(_ reason: String, into events: inout [Event]) {
        for (listener, _) in triggers where waiting.insert(listener).inserted {
            report(.deafened(reason: reason), to: listener, into: &events)
        }
    }
}
