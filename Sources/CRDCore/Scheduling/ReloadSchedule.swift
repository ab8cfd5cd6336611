// SPDX-License-Identifier: GPL-3.0-or-later

/// Decides when crd.conf and the modules are read again, which modules are taken in as they are,
/// and when requests for a reload are answered (G11).
public struct ReloadSchedule: Sendable {
    /// How often all modules are read while some of their changes cannot be observed.
    public static let pollPeriod = Duration.seconds(5)
    /// How long requests wait for the name service to answer about the modules' users. Usually it
    /// is slow only for a moment.
    public static let answerPatience = Duration.seconds(10)

    /// What is watched so that changes are observed.
    public enum WatchedPart: CaseIterable, Sendable {
        /// The directories that contain the modules.
        case directories
        /// The modules' own directories.
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
        case watchLost(WatchedPart)
        case watchRegained(WatchedPart)
        /// `auto-reload` is off.
        case watchingEnded
        /// A client or SIGHUP asks for a reload.
        case requested
        /// No answer of the name service is pending.
        case accountsAnswered
        /// The daemon stops: nothing is read any more.
        case stopped
    }

    public enum Command: Equatable, Sendable {
        /// Retry the watches on the directories that contain the modules.
        case rearmDirectories
        /// Read the files, then call `finishReading`.
        case read(Scope)
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
    private var lost: Set<WatchedPart> = []
    /// When everything is read because of lost watches.
    private var pollAt: Instant?
    private var requests = Requests.none
    private var isStopping = false
    /// Modules whose wait for a manifest was reported.
    private var withoutManifest: Set<ModuleName> = []

    public init() {}

    public mutating func receive(_ event: Event, at now: Instant) {
        switch event {
        case .changed(let name): changes.touch(name, at: now)
        case .arrived(let name, let arrival): changes.touch(name, arrival, at: now)
        case .departed(let name): changes.touch(name, nil, at: now)
        case .changedSomewhere: changes.touchEverything(at: now)
        case .watchLost(let part):
            lost.insert(part)
            pollAt = pollAt ?? now + Self.pollPeriod
        case .watchRegained(let part): regain(part, at: now)
        case .watchingEnded: (lost, pollAt, changes) = ([], nil, FileChanges())
        case .requested: if case .none = requests { requests = .due(now) }
        case .accountsAnswered: endWait(at: now)
        case .stopped:
            isStopping = true
            endWait(at: now)
        }
    }

    private mutating func regain(_ part: WatchedPart, at now: Instant) {
        guard lost.remove(part) != nil, lost.isEmpty else { return }
        pollAt = nil
        changes.touchEverything(at: now)
    }

    private mutating func endWait(at now: Instant) {
        guard case .waitingForAccounts(let end) = requests else { return }
        requests = .waitingForAccounts(until: min(end, now))
    }

    // MARK: Reading

    /// When to call `passDeadlines`.
    public var deadline: Instant? {
        switch requests {
        case .due(let due): due
        // Another reading would take in modules that the answer is to name.
        case .waitingForAccounts(let end): end
        case .none, .beingRead:
            isStopping ? nil : [pollAt, changes.deadline].compactMap(\.self).min()
        }
    }

    /// Returns what to do if `deadline` has come. Call this only while the modules may be replaced.
    public mutating func passDeadlines(at now: Instant) -> [Command] {
        guard let deadline, deadline <= now else { return [] }
        switch requests {
        case .due, .waitingForAccounts: return [passRequests()]
        case .none, .beingRead: break
        }
        if let due = pollAt, due <= now {
            pollAt = now + Self.pollPeriod
            _ = changes.take(at: now)
            return (lost.contains(.directories) ? [.rearmDirectories] : []) + [.read(.allModules)]
        }
        return switch changes.take(at: now) {
        case .nothing: []
        case .allModules: [.read(.allModules)]
        case .modules(let names): [.read(.modules(names))]
        }
    }

    private mutating func passRequests() -> Command {
        guard !isStopping else {
            requests = .none
            return .refuseRequests
        }
        let mayWait = if case .due = requests { true } else { false }
        requests = .beingRead(mayWait: mayWait)
        return .read(.everything)
    }

    /// Ends a reading.
    ///
    /// - Parameters:
    ///   - unready: the modules that were postponed.
    ///   - awaitsAccounts: whether some of them wait for the name service.
    /// - Returns: whether to answer all requests with what was found, in this reading and in the
    ///   one before it that did not answer them.
    public mutating func finishReading(
        _ scope: Scope, unready: [ModuleName], awaitsAccounts: Bool, at now: Instant
    ) -> Bool {
        changes.settle(scope.names, except: unready)
        withoutManifest.subtract(
            Set(scope.names ?? Array(withoutManifest)).subtracting(unready))
        guard scope == .everything, case .beingRead(let mayWait) = requests else { return false }
        if mayWait && awaitsAccounts {
            requests = .waitingForAccounts(until: now + Self.answerPatience)
            return false
        }
        requests = .none
        return true
    }

    // MARK: Modules that are not taken in yet

    /// What a reading has found of a module whose files differ from those in effect.
    public struct Finding: Sendable {
        public let name: ModuleName
        public let unreadiness: FileChanges.Unreadiness?
        public let hasManifest: Bool
        /// Whether the module is in effect without a manifest.
        public let mayRunAlready: Bool
        /// Whether `auto-reload` is on for the directory that contains the module.
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

    /// Decides whether the module is read once more before it is taken in. One that stays unready
    /// for too long is taken in as it is, and counts as faulty.
    ///
    /// - Returns: why it is not taken in yet; nil: it is.
    public mutating func postpone(_ module: Finding, at now: Instant) -> Postponement? {
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
