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
    private let reactor: Reactor
    private let mounts: MountMap
    private let reach: PathReach
    private let logger: Logger
    /// Receives what was observed.
    var report: (ReloadSchedule.Event) -> Void = { _ in }
    private(set) var isOn = false
    private var modules = FilePath()
    private var support = FilePath()
    private var watch: DirectorySource?
    /// Modules whose directory is a symbolic link or lies on a mount that may stall.
    private var linked: Set<ModuleName> = []
    private var token: Reactor.Token?
    /// Why directories cannot be watched.
    private var faults: [ReloadSchedule.WatchedPart: String] = [:]

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
        (token, watch, faults, linked) = (nil, nil, [:], [])
        report(.watchingEnded)
    }

    /// The daemon's own path triggers, in addition to those of the modules.
    var triggers: [PathTrigger] {
        guard isOn else { return [] }
        let shelves = Set([modules, support]).map {
            PathTrigger(path: $0.string, events: Self.arrivals)
        }
        let links = linked.map {
            PathTrigger(
                path: modules.appending($0.description).string,
                events: Self.arrivals.union(.closeWrite))
        }
        return (shelves + links).sorted { $0.path < $1.path }
    }

    private static let arrivals: PathEvents = [.create, .movedTo, .movedFrom, .delete, .attrib]

    // MARK: Changes

    /// Receives a report about the daemon's own triggers.
    func receive(_ news: PathReport) {
        switch news {
        case .happened(let event): receive(event)
        case .deafened(let reason): fail(.directories, reason)
        case .rearmed: heal(.directories)
        }
    }

    private func receive(_ event: TriggerEvent) {
        let path = event.variables.first { $0.name == "CRD_PATH" }
            .map { FilePath(String(decoding: $0.value, as: UTF8.self)) }
        let shelf = [modules, support].first { path?.starts(with: $0) == true }
        guard let path, let shelf,
            let name = path.components.dropFirst(shelf.components.count).first?.string
        else { return report(.changedSomewhere) }
        let isInside = path.components.count > shelf.components.count + 1
        guard !ModuleName.isSkipped(name),
            !isInside || ModuleOnDisk.isTelling(path.lastComponent?.string ?? "")
        else { return }
        // Any module may require a support module.
        guard let module = ModuleName(name), shelf == modules else {
            return report(.changedSomewhere)
        }
        guard !isInside else { return report(.changed(module)) }
        // Watched at once, so that a module that is still being copied does not count as settled.
        follow(module)
        report(change(of: module, event.pathEvents))
    }

    /// Returns what events of a module's name mean for the module.
    private func change(of module: ModuleName, _ events: PathEvents) -> ReloadSchedule.Event {
        let isMoved = events.contains(.movedTo)
        if isMoved || events.contains(.create) {
            let place = modules.appending(module.description)
            // A link's target is complete, however the link was made.
            let isLink = FileStatus(of: place, followingLinks: false)?.kind == .symbolicLink
            let isWhole =
                (isMoved || isLink) && reach.obstacle(on: place) == nil
                && !ModuleOnDisk.isUnfinished(at: place)
            return .arrived(module, isWhole ? .whole : .inPlace)
        }
        return events.isDisjoint(with: [.delete, .movedFrom])
            ? .changed(module) : .departed(module)
    }

    /// Receives mounts and unmounts, which may replace a module's directory.
    func receive(_ mounts: [MountSource.Change]) {
        guard isOn else { return }
        let places = mounts.map { FilePath(bytes: $0.path) }
        guard places.contains(where: { $0.starts(with: modules) && $0 != modules }) else { return }
        report(.changedSomewhere)
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
            guard let change else { return report(.changedSomewhere) }
            if ModuleOnDisk.isTelling(change.name) { report(.changed(change.module)) }
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

    private func fail(_ part: ReloadSchedule.WatchedPart, _ reason: String) {
        report(.watchLost(part))
        let isKnown = faults.values.contains(reason)
        if faults.updateValue(reason, forKey: part) == nil, !isKnown {
            logger.warning(
                "\(reason); until they can be watched, modules are checked for changes every \(TimeSpan(ReloadSchedule.pollPeriod))"
            )
        }
    }

    private func heal(_ part: ReloadSchedule.WatchedPart) {
        guard faults.removeValue(forKey: part) != nil else { return }
        report(.watchRegained(part))
        if faults.isEmpty { logger.notice("changes to modules are again noticed at once") }
    }
}
