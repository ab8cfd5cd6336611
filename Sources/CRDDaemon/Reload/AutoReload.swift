// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import Logging
import SystemPackage

/// Notices added, changed and removed modules (`auto-reload` in crd.conf).
///
/// The path source reports changes of the directories that contain the modules, as it does for a
/// module's path trigger. A `DirectorySource` watches each module's own directory.
final class AutoReload {
    /// How often everything is read while something cannot be watched.
    private static let pollPeriod = Duration.seconds(5)

    private let reactor: Reactor
    private let mounts: MountMap
    private let reach: PathReach
    private let logger: Logger
    private var changes = FileChanges()
    private(set) var isOn = false
    private var modules = FilePath()
    private var support = FilePath()
    private var watch: DirectorySource?
    /// Modules whose directory is a symbolic link or lies on a mount that may stall.
    private var linked: Set<ModuleName> = []
    private var token: Reactor.Token?
    /// Why a directory cannot be watched.
    private var faults: [Fault: String] = [:]
    private var pollAt: Instant?
    /// Modules without a manifest whose waiting has been logged.
    private var waiting: Set<ModuleName> = []

    private enum Fault { case directories, modules }

    init(reactor: Reactor, mounts: MountMap, reach: PathReach, logger: Logger) {
        self.reactor = reactor
        self.mounts = mounts
        self.reach = reach
        self.logger = logger
    }

    /// Applies the settings of crd.conf.
    func apply(_ configuration: Configuration) {
        isOn = configuration.autoReload
        modules = FilePath(configuration.modules)
        support = FilePath(configuration.support)
        guard !isOn else { return }
        token.map(reactor.remove)
        (token, watch, pollAt, faults, linked) = (nil, nil, nil, [:], [])
        changes = FileChanges()
    }

    /// The daemon's own path triggers, in addition to those of the modules.
    var triggers: [PathTriggers.Trigger] {
        guard isOn else { return [] }
        let shelves = Set([modules, support]).map {
            PathTrigger(path: $0.string, events: Self.arrivals)
        }
        let links = linked.map {
            PathTrigger(
                path: modules.appending($0.description).string,
                events: Self.arrivals.union(.closeWrite))
        }
        return (shelves + links).sorted { $0.path < $1.path }.map { (.files, $0) }
    }

    private static let arrivals: PathEvents = [.create, .movedTo, .movedFrom, .delete, .attrib]

    // MARK: Changes

    /// Receives an event of the daemon's own triggers.
    ///
    /// - Returns: whether the event was one.
    func takes(_ event: Event) -> Bool {
        switch event {
        case .triggered(.files, let event): receive(event)
        case .deafened(.files, _, let reason): fail(.directories, reason)
        case .rearmed(.files, _): heal(.directories)
        default: return false
        }
        return true
    }

    private func receive(_ event: TriggerEvent) {
        let path = event.variables.first { $0.name == "CRD_PATH" }
            .map { FilePath(String(decoding: $0.value, as: UTF8.self)) }
        let shelf = [modules, support].first { path?.starts(with: $0) == true }
        guard let path, let shelf,
            let name = path.components.dropFirst(shelf.components.count).first?.string
        else { return changes.touchEverything(at: Clock.now) }
        let isInside = path.components.count > shelf.components.count + 1
        guard !ModuleName.isSkipped(name),
            !isInside || ModuleOnDisk.isTelling(path.lastComponent?.string ?? "")
        else { return }
        // Any module may require a support module.
        guard let module = ModuleName(name), shelf == modules else {
            return changes.touchEverything(at: Clock.now)
        }
        guard !isInside else { return changes.touch(module, at: Clock.now) }
        // Watched at once, so that a module that is still being copied does not count as settled.
        follow(module)
        touch(module, event.pathEvents)
    }

    private func touch(_ module: ModuleName, _ events: PathEvents) {
        let isMoved = events.contains(.movedTo)
        if isMoved || events.contains(.create) {
            let place = modules.appending(module.description)
            // A link's target is complete, however the link was made.
            let isLink = FileStatus(of: place, followingLinks: false)?.kind == .symbolicLink
            let isWhole =
                (isMoved || isLink) && reach.obstacle(on: place) == nil
                && !ModuleOnDisk.isUnfinished(at: place)
            changes.touch(module, isWhole ? .whole : .inPlace, at: Clock.now)
        } else if !events.isDisjoint(with: [.delete, .movedFrom]) {
            changes.touch(module, nil, at: Clock.now)
        } else {
            changes.touch(module, at: Clock.now)
        }
    }

    /// Records that the module may have changed.
    func touch(_ name: ModuleName) {
        if isOn { changes.touch(name, at: Clock.now) }
    }

    /// Records that something the module depends on has changed elsewhere, even if files are not
    /// watched.
    func insist(_ name: ModuleName) { changes.touch(name, at: Clock.now) }

    /// Does the same for all modules.
    func insistOnAll() { changes.touchEverything(at: Clock.now) }

    /// Receives mounts and unmounts, which may replace a module's directory.
    func receive(_ mounts: [MountSource.Change]) {
        guard isOn else { return }
        let places = mounts.map { FilePath(bytes: $0.path) }
        guard places.contains(where: { $0.starts(with: modules) && $0 != modules }) else { return }
        changes.touchEverything(at: Clock.now)
    }

    // MARK: Deadlines

    var deadline: Instant? {
        guard let pollAt else { return changes.deadline }
        return changes.deadline.map { min($0, pollAt) } ?? pollAt
    }

    /// Returns the modules to be read again now.
    ///
    /// - Parameter rearm: retries the failed watches on the directories that contain the modules.
    func take(at now: Instant, rearm: () -> Void) -> FileChanges.Due {
        guard let due = pollAt, due <= now else { return changes.take(at: now) }
        pollAt = now + Self.pollPeriod
        if faults[.directories] != nil { rearm() }
        _ = changes.take(at: now)
        return .everything
    }

    /// Returns whether the module is still incomplete, so that it is read again a second later. A
    /// module that stays incomplete for too long counts as faulty instead.
    ///
    /// - Parameters:
    ///   - former: the version that is in effect now.
    ///   - isSeen: whether the module's arrival would have been noticed.
    func awaits(
        _ module: ModuleOnDisk, insteadOf former: ModuleOnDisk?, isSeen: Bool, at now: Instant
    ) -> Bool {
        if let why = module.unreadiness {
            if changes.putBack(module.name, since: why, at: now) { return true }
            // The missing part may never come, so the module is taken as it is.
            guard why == .incomplete else { return false }
        }
        let mayRunAlready = former.map { !$0.hasManifest && !$0.isHalf } ?? false
        guard isSeen, isOn, !module.hasManifest,
            changes.awaitsManifest(module.name, mayRunAlready: mayRunAlready, at: now)
        else { return false }
        if waiting.insert(module.name).inserted {
            logger.info(
                "\(module.name): has no module.toml yet; it is activated when its files have not changed for \(TimeSpan(FileChanges.manifestPatience)), since one may still come. A directory that is moved into place with all its files is activated after \(TimeSpan(FileChanges.quiet))"
            )
        }
        return true
    }

    /// Records that these modules, or all (nil), are active as they are, except the unready ones.
    func settle(_ names: [ModuleName]?, except unready: [ModuleName]) {
        changes.settle(names, except: unready)
        waiting.formIntersection(unready)
    }

    // MARK: The modules' own directories

    /// Watches the directories of these modules, and of no other modules.
    func follow(_ names: [ModuleName]) {
        guard isOn else { return }
        let wanted = Set(names)
        for name in watch?.modules ?? [] where !wanted.contains(name) { watch?.forget(name) }
        linked.formIntersection(wanted)
        do throws(SystemCallError) {
            try reachModules()
            for name in names { try watch(name) }
            heal(.modules)
        } catch {
            fail(.modules, "\(error)")
        }
    }

    /// Watches the module's directory, if it exists.
    func follow(_ name: ModuleName) {
        guard isOn else { return }
        do throws(SystemCallError) {
            try reachModules()
            try watch(name)
        } catch {
            fail(.modules, "\(error)")
        }
    }

    private func reachModules() throws(SystemCallError) {
        guard let obstacle = reach.obstacle(on: modules) else { return }
        throw SystemCallError(
            function: "inotify_add_watch", errno: .timedOut, subject: "\(obstacle.path)")
    }

    /// Watches one module's directory, after `reachModules`.
    private func watch(_ name: ModuleName) throws(SystemCallError) {
        let directory = modules.appending(name.description)
        // The path source watches these two kinds: a file server may not answer, and a link on the
        // way may change its target.
        guard mounts.stallingFileSystem(at: Array(directory.string.utf8)) == nil,
            FileStatus(of: directory, followingLinks: false)?.kind != .symbolicLink
        else {
            linked.insert(name)
            watch?.forget(name)
            return
        }
        linked.remove(name)
        try source().watch(directory, of: name)
    }

    private func source() throws(SystemCallError) -> DirectorySource {
        if let watch { return watch }
        let made = try DirectorySource { [weak self] change in
            guard let self else { return }
            guard let change else { return changes.touchEverything(at: Clock.now) }
            guard ModuleOnDisk.isTelling(change.name) else { return }
            changes.touch(change.module, at: Clock.now)
        }
        token = try reactor.add(made)
        watch = made
        return made
    }

    func isSource(_ other: any EventSource) -> Bool { watch === other }

    /// Polls after the source has failed and the reactor has removed it.
    func lose(_ error: SystemCallError) {
        (watch, token) = (nil, nil)
        fail(.modules, "\(error)")
    }

    private func fail(_ fault: Fault, _ reason: String) {
        if faults.isEmpty { pollAt = Clock.now + Self.pollPeriod }
        let isKnown = faults.values.contains(reason)
        if faults.updateValue(reason, forKey: fault) == nil, !isKnown {
            logger.warning(
                "\(reason); until that works, modules are checked for changes every \(TimeSpan(Self.pollPeriod))"
            )
        }
    }

    private func heal(_ fault: Fault) {
        guard faults.removeValue(forKey: fault) != nil, faults.isEmpty else { return }
        logger.notice("changes of modules are noticed at once again")
        pollAt = nil
        changes.touchEverything(at: Clock.now)
    }
}

extension ModuleID {
    /// Stands for the daemon itself, which has path triggers on its modules' directories.
    static let files = ModuleID(-1)
}
