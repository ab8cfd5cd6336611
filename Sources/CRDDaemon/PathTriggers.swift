// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging

/// The path triggers of all modules, and the source that watches for them once the kernel gives
/// one.
final class PathTriggers {
    /// The least time between two lines about the kernel's queue.
    private static let overflowLogPeriod = Duration.seconds(60)

    /// A trigger and whose it is.
    typealias Trigger = (ModuleID, PathTrigger)

    private var triggers: [Trigger]
    private let reactor: Reactor
    private let logger: Logger
    private var source: PathSource?
    /// Those who wait for there to be a source.
    private var waiting: Set<ModuleID> = []
    private var overflowsLogged = 0
    private var overflowLoggedAt: Instant?
    private var watchesMounts = false
    /// Called with what was mounted and unmounted.
    var mounted: ([MountTable.Change]) -> Void = { _ in }

    init(_ triggers: [Trigger], reactor: Reactor, logger: Logger) {
        self.triggers = triggers
        self.reactor = reactor
        self.logger = logger
    }

    /// Begins to watch; what is there already is nothing new.
    func arm(into events: inout [Event]) {
        guard !triggers.isEmpty else { return }
        watchMounts()
        begin(into: &events)
    }

    /// Watches for these triggers from now on. Where one is as before, so is its watch.
    func change(to new: [Trigger], into events: inout [Event]) {
        let former = Set(triggers.map(Key.init))
        let wanted = Set(new.map(Key.init))
        let dropped = triggers.filter { !wanted.contains(Key($0)) }
        let added = new.filter { !former.contains(Key($0)) }
        guard !dropped.isEmpty || !added.isEmpty else { return }
        triggers = new
        let listening = Set(new.map(\.0))
        for module in waiting.subtracting(listening).sorted(by: { $0.index < $1.index }) {
            waiting.remove(module)
            events.append(.rearmed(module, .path))
        }
        guard let source else { return arm(into: &events) }
        source.disarm(dropped, into: &events)
        source.arm(added, into: &events)
    }

    private struct Key: Hashable {
        let module: ModuleID
        let trigger: PathTrigger

        init(_ trigger: Trigger) { (module, self.trigger) = trigger }
    }

    /// Tries again to watch what could not be watched for a module.
    func rearm(_ module: ModuleID, into events: inout [Event]) {
        if let source {
            source.rearm(module, into: &events)
        } else {
            begin(into: &events)
        }
    }

    /// The source has failed, and the reactor let go of it.
    func lose(_ error: SystemCallError, into events: inout [Event]) {
        source = nil
        deafen("\(error)", into: &events)
    }

    func isSource(_ other: any EventSource) -> Bool { source === other }

    /// The first of the module's paths that is not there.
    func missingPath(of module: ModuleID) -> String? {
        source?.missingPath(of: module)
    }

    /// How often the kernel's queue was full.
    var overflows: Int { source?.overflows ?? 0 }

    func logOverflows() {
        guard overflows > overflowsLogged else { return }
        let now = Clock.now
        if let last = overflowLoggedAt, last + Self.overflowLogPeriod > now { return }
        overflowsLogged = overflows
        overflowLoggedAt = now
        logger.warning(
            "the kernel's queue of path events was full (\(overflows) times until now), so every module with a path trigger looks again; if this comes often, raise the sysctl fs.inotify.max_queued_events and restart crd"
        )
    }

    private func begin(into events: inout [Event]) {
        do throws(SystemCallError) {
            let source = try PathSource()
            _ = try reactor.add(source)
            self.source = source
            let freed = waiting
            waiting = []
            for module in freed { events.append(.rearmed(module, .path)) }
            source.arm(triggers, into: &events)
        } catch {
            deafen("\(error)", into: &events)
        }
    }

    private func deafen(_ reason: String, into events: inout [Event]) {
        for (module, _) in triggers where waiting.insert(module).inserted {
            events.append(.deafened(module, .path, reason: reason))
        }
    }

    private func watchMounts() {
        guard !watchesMounts else { return }
        watchesMounts = true
        do throws(SystemCallError) {
            _ = try reactor.add(
                MountTable { [unowned self] changes, events in
                    source?.take(changes, into: &events)
                    mounted(changes)
                })
        } catch {
            logger.warning("mounting over a watched path goes unnoticed until its timer: \(error)")
        }
    }
}
