// SPDX-License-Identifier: GPL-3.0-or-later

/// Which modules' files have changed on disk, and when to look at them: when nothing has happened to
/// them for a while, since who changes one file mostly changes another.
public struct FileChanges: Sendable {
    /// How long nothing must have happened.
    public static let quiet = Duration.seconds(1)
    /// What never comes to rest is looked at all the same.
    private static let unrestMax = quiet * 10
    /// How long nothing must have happened to a module that may still get its manifest.
    public static let manifestPatience = Duration.seconds(10)
    /// With more of them, all modules are looked at.
    private static let namesMax = 4_096

    private struct Change {
        var first: Instant
        var last: Instant
        /// When to look if nothing happens until then; nil: when it has come to rest.
        var awaited: Instant?

        init(at now: Instant, awaited: Instant? = nil) {
            (first, last, self.awaited) = (now, now, awaited)
        }

        var due: Instant {
            awaited ?? min(last + FileChanges.quiet, first + FileChanges.unrestMax)
        }

        mutating func note(at now: Instant) {
            self = awaited == nil ? self : Change(at: now)
            last = now
        }
    }

    /// How a module's directory got its name.
    public enum Arrival: Sendable {
        /// With all that belongs to it, by one rename(2) or as a link.
        case whole
        /// It was made there, and files come one by one.
        case inPlace
    }

    /// Why a module that was told cannot be judged yet.
    public enum Unreadiness: CaseIterable, Sendable {
        /// An executable is missing.
        case incomplete
        /// Somebody has a file of it open for writing: that is seen, so that there is no doubt.
        case beingWritten
        /// The name service has not answered about a user that it names.
        case withoutAccount
        /// The mount it lies on does not answer.
        case stalled

        /// How long that may last, before it is a fault.
        public var patience: Duration {
            switch self {
            case .incomplete, .stalled: .seconds(10)
            case .beingWritten: .seconds(60)
            case .withoutAccount: .seconds(3)
            }
        }
    }

    /// What is to be looked at.
    public enum Due: Equatable, Sendable {
        case nothing
        /// In name order.
        case modules([ModuleName])
        case everything
    }

    private var changes: [ModuleName: Change] = [:]
    private var everything: Change?
    /// When modules were found not to be ready, first and last, and for which reason.
    private var unready: [ModuleName: (why: Unreadiness, when: Change)] = [:]
    /// What was not asked about for so long has been ready meanwhile.
    private static let unreadyMemory = Duration.seconds(10)
    /// Of modules that have not been taken in since; none where that was not seen.
    private var arrivals: [ModuleName: Arrival] = [:]
    /// When something happened to modules, first and last; forgotten after a while.
    private var touched: [ModuleName: Change] = [:]

    public init() {}

    /// Something has happened to the module's files, or it has come or gone.
    public mutating func note(_ name: ModuleName, at now: Instant) {
        guard changes[name] != nil || changes.count < Self.namesMax else {
            return noteEverything(at: now)
        }
        changes[name, default: Change(at: now)].note(at: now)
        touched[name, default: Change(at: now)].note(at: now)
    }

    /// The module's directory has come, or gone (nil).
    public mutating func note(_ name: ModuleName, _ arrival: Arrival?, at now: Instant) {
        note(name, at: now)
        // One that is not remembered counts as not seen, and only takes longer.
        if arrivals[name] != nil || arrivals.count < Self.namesMax { arrivals[name] = arrival }
    }

    /// What has happened to which module is unknown.
    public mutating func noteEverything(at now: Instant) {
        everything = everything ?? Change(at: now)
        everything?.note(at: now)
    }

    /// When to ask for what is due.
    public var deadline: Instant? {
        guard !changes.isEmpty || everything != nil else { return nil }
        return (changes.values.map(\.due) + [everything?.due].compactMap(\.self)).min()
    }

    /// What has come to rest. It is not told again.
    public mutating func take(at now: Instant) -> Due {
        // Not at each of many modules that are put back.
        unready = unready.filter { $0.value.when.last + Self.unreadyMemory > now }
        touched = touched.filter { $0.value.last + Self.manifestPatience * 2 > now }
        if let everything, everything.due <= now {
            (changes, self.everything) = ([:], nil)
            return .everything
        }
        let due = changes.filter { $0.value.due <= now }
        guard !due.isEmpty else { return .nothing }
        for name in due.keys { changes[name] = nil }
        return .modules(due.keys.sorted())
    }

    /// A module that was told is not ready: it is told again when the time of rest has passed once
    /// more.
    ///
    /// - Returns: false where it has not been ready, for this reason, for too long.
    public mutating func putBack(
        _ name: ModuleName, since why: Unreadiness, at now: Instant
    ) -> Bool {
        var when = Change(at: now)
        if let known = unready[name], known.why == why,
            known.when.last + Self.unreadyMemory > now
        {
            when = known.when
            when.note(at: now)
        }
        unready[name] = (why, when)
        guard when.first + why.patience > now else { return false }
        changes[name] = Change(at: now)
        // Files that came later came one by one.
        if arrivals[name] == .whole { arrivals[name] = nil }
        return true
    }

    /// A module that was told has no manifest. Without one its roles run as the daemon's own user,
    /// so whoever copies file by file gets time to bring it: the module is told again when nothing
    /// has happened to it for long.
    ///
    /// - Parameter mayRunAlready: it is in effect without a manifest.
    /// - Returns: false where it is complete as it is.
    public mutating func awaitsManifest(
        _ name: ModuleName, mayRunAlready: Bool, at now: Instant
    ) -> Bool {
        let arrival = arrivals[name]
        guard arrival != .whole, !mayRunAlready || arrival == .inPlace else { return false }
        let change = touched[name] ?? Change(at: now)
        touched[name] = change
        let due = min(
            change.last + Self.manifestPatience, change.first + Self.manifestPatience * 10)
        guard due > now else { return false }
        changes[name] = Change(at: now, awaited: due)
        return true
    }

    /// What was told has been taken in, or is not there; nil: all of it.
    public mutating func settle(_ names: [ModuleName]?, except unready: [ModuleName]) {
        let unready = Set(unready)
        for name in names ?? Array(arrivals.keys) where !unready.contains(name) {
            arrivals[name] = nil
            touched[name] = nil
        }
    }
}
