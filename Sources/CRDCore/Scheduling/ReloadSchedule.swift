// SPDX-License-Identifier: GPL-3.0-or-later

/// Decides when crd.conf and the modules are read again, which modules are taken in as they are,
/// and when requests for a reload are answered (G11).
public struct ReloadSchedule: Sendable {
    /// How often all modules are read while some of their changes cannot be observed.
    public static let pollPeriod = Duration.seconds(5)
    /// How long requests wait for the name service to answer about the modules' users. Usually it
    /// is slow only for a moment.
    public static let answerPatience = Duration.seconds(10)

    /// How changes are observed.
    public enum Watch: CaseIterable, Sendable {
        /// By watches on the directories that contain the modules.
        case shelves
        /// By watches on the modules' own directories.
        case modules
    }

    /// What is read.
    public enum Scope: Equatable, Sendable {
        /// crd.conf and all modules, on request.
        case everything
        /// All modules, without crd.conf.
        case allModules
        case modules([ModuleName])

        /// The modules' names; nil for all.
        public var names: [ModuleName]? {
            if case .modules(let names) = self { names } else { nil }
        }
    }

    public enum Event: Equatable, Sendable {
        /// The module's files have changed, or something that it depends on.
        case changed(ModuleName)
        case arrived(ModuleName, FileChanges.Arrival)
        case departed(ModuleName)
        /// Any module may have changed.
        case changedSomewhere
        case watchLost(Watch)
        case watchRegained(Watch)
        /// `auto-reload` is off.
        case watchingEnded
        /// A client or SIGHUP asks for a reload.
        case requested
        /// No answer of the name service is pending.
        case accountsAnswered
        /// `deadline` has come, and the modules may be replaced now.
        case elapsed
        /// The answer to `Command.read`.
        ///
        /// - Parameters:
        ///   - unready: the modules that `postponement` has held back.
        ///   - awaitsAccounts: whether some of them wait for the name service.
        case wasRead(Scope, unready: [ModuleName], awaitsAccounts: Bool)
        /// The daemon stops: nothing is read any more.
        case stopped
    }

    public enum Command: Equatable, Sendable {
        /// Retry the watches on the directories that contain the modules.
        case rearmShelves
        case read(Scope)
        /// Answer all requests with the result of the reading.
        case answerRequests
        /// Answer all requests: the daemon stops.
        case refuseRequests
    }

    private enum Requests {
        case none
        case due(Instant)
        case waitingForAccounts(until: Instant)
        /// `mayWait`: they have not waited for the name service yet.
        case beingRead(mayWait: Bool)
    }

    private var changes = FileChanges()
    private var lost: Set<Watch> = []
    /// When everything is read because of lost watches.
    private var pollAt: Instant?
    private var requests = Requests.none
    private var isStopping = false
    /// Modules whose wait for a manifest was reported.
    private var withoutManifest: Set<ModuleName> = []

    public init() {}

    public mutating func receive(_ event: Event, at now: Instant) -> [Command] {
        switch event {
        case .changed(let name): changes.touch(name, at: now)
        case .arrived(let name, let arrival): changes.touch(name, arrival, at: now)
        case .departed(let name): changes.touch(name, nil, at: now)
        case .changedSomewhere: changes.touchEverything(at: now)
        case .watchLost(let watch):
            lost.insert(watch)
            pollAt = pollAt ?? now + Self.pollPeriod
        case .watchRegained(let watch): regain(watch, at: now)
        case .watchingEnded: (lost, pollAt, changes) = ([], nil, FileChanges())
        case .requested: if case .none = requests { requests = .due(now) }
        case .accountsAnswered: endWait(at: now)
        case .elapsed: return passDeadlines(at: now)
        case .wasRead(let scope, let unready, let awaitsAccounts):
            return finishReading(scope, unready, awaitsAccounts, at: now)
        case .stopped:
            isStopping = true
            endWait(at: now)
        }
        return []
    }

    private mutating func regain(_ watch: Watch, at now: Instant) {
        guard lost.remove(watch) != nil, lost.isEmpty else { return }
        pollAt = nil
        changes.touchEverything(at: now)
    }

    private mutating func endWait(at now: Instant) {
        guard case .waitingForAccounts(let end) = requests else { return }
        requests = .waitingForAccounts(until: min(end, now))
    }

    /// When to send `.elapsed`.
    public var deadline: Instant? {
        isStopping
            ? requestsDue : [requestsDue, pollAt, changes.deadline].compactMap(\.self).min()
    }

    private var requestsDue: Instant? {
        switch requests {
        case .due(let due), .waitingForAccounts(let due): due
        case .none, .beingRead: nil
        }
    }

    private mutating func passDeadlines(at now: Instant) -> [Command] {
        if let due = requestsDue, due <= now {
            if isStopping {
                requests = .none
                return [.refuseRequests]
            }
            if case .due = requests {
                requests = .beingRead(mayWait: true)
            } else {
                requests = .beingRead(mayWait: false)
            }
            return [.read(.everything)]
        }
        guard !isStopping else { return [] }
        if let due = pollAt, due <= now {
            pollAt = now + Self.pollPeriod
            _ = changes.take(at: now)
            return (lost.contains(.shelves) ? [.rearmShelves] : []) + [.read(.allModules)]
        }
        return switch changes.take(at: now) {
        case .nothing: []
        case .everything: [.read(.allModules)]
        case .modules(let names): [.read(.modules(names))]
        }
    }

    private mutating func finishReading(
        _ scope: Scope, _ unready: [ModuleName], _ awaitsAccounts: Bool, at now: Instant
    ) -> [Command] {
        changes.settle(scope.names, except: unready)
        withoutManifest.subtract(
            Set(scope.names ?? Array(withoutManifest)).subtracting(unready))
        guard case .beingRead(let mayWait) = requests else { return [] }
        if mayWait && awaitsAccounts {
            requests = .waitingForAccounts(until: now + Self.answerPatience)
            return []
        }
        requests = .none
        return [.answerRequests]
    }

    // MARK: Modules that are not taken in yet

    /// What a reading has found of a module whose files differ from those in effect.
    public struct Finding: Sendable {
        public let name: ModuleName
        public let unreadiness: FileChanges.Unreadiness?
        public let hasManifest: Bool
        /// Whether the module is in effect without a manifest.
        public let mayRunAlready: Bool
        /// Whether the module's arrival would have been observed.
        public let isObserved: Bool

        public init(
            _ name: ModuleName, unreadiness: FileChanges.Unreadiness?, hasManifest: Bool,
            mayRunAlready: Bool, isObserved: Bool
        ) {
            self.name = name
            self.unreadiness = unreadiness
            self.hasManifest = hasManifest
            self.mayRunAlready = mayRunAlready
            self.isObserved = isObserved
        }
    }

    public enum Postponement: Equatable, Sendable {
        /// It is read again after a quiet period.
        case unready
        /// A manifest may still come. `isNews`: it was not postponed for that before.
        case withoutManifest(isNews: Bool)
    }

    /// Returns why the module is not taken in yet; nil: it is taken in as it is. One that stays
    /// unready for too long counts as faulty instead.
    public mutating func postponement(of module: Finding, at now: Instant) -> Postponement? {
        if let why = module.unreadiness {
            if changes.putBack(module.name, since: why, at: now) { return .unready }
            // The missing part may never come, so the module is taken as it is.
            guard why == .incomplete else { return nil }
        }
        guard module.isObserved, !module.hasManifest,
            changes.awaitsManifest(
                module.name, mayRunAlready: module.mayRunAlready, at: now)
        else { return nil }
        return .withoutManifest(isNews: withoutManifest.insert(module.name).inserted)
    }
}
