// SPDX-License-Identifier: GPL-3.0-or-later

/// Which modules' files have changed on disk, and when to read them: after a quiet period, since
/// a change of one file is usually followed by another.
public struct FileChanges: Sendable {
    /// How long a module's files must be unchanged before they are read.
    public static let quiet = Duration.seconds(1)
    /// Upper bound of that wait, for files that keep changing.
    private static let unrestMax = quiet * 10
    /// How long a module without a manifest must be unchanged before it is accepted without one.
    public static let manifestPatience = Duration.seconds(10)
    /// With more names than this, all modules are read.
    private static let namesMax = 4_096

    private struct Change {
        var first: Instant
        var last: Instant
        /// When to read if nothing happens until then; nil: after the quiet period.
        var awaited: Instant?

        init(at now: Instant, awaited: Instant? = nil) {
            (first, last, self.awaited) = (now, now, awaited)
        }

        var due: Instant {
            awaited ?? min(last + FileChanges.quiet, first + FileChanges.unrestMax)
        }

        mutating func extend(to now: Instant) {
            self = awaited == nil ? self : Change(at: now)
            last = now
        }
    }

    /// How a module's directory appeared.
    public enum Arrival: Sendable {
        /// With all its files, by one rename(2) or as a link.
        case whole
        /// Created in place, so that its files come one by one.
        case inPlace
    }

    /// Why a module that was due cannot be judged yet.
    public enum Unreadiness: CaseIterable, Sendable {
        /// An executable is missing.
        case incomplete
        /// A file of it is open for writing. That is observed, so there is no doubt.
        case beingWritten
        /// The name service has not answered about a user that the manifest names.
        case withoutAccount
        /// The mount that the module lies on does not respond.
        case stalled

        /// How long the condition may last before it is a fault.
        public var patience: Duration {
            switch self {
            case .incomplete, .stalled: .seconds(10)
            case .beingWritten: .seconds(60)
            case .withoutAccount: .seconds(3)
            }
        }
    }

    /// The modules whose files are due to be read.
    public enum Due: Equatable, Sendable {
        case nothing
        /// In name order.
        case modules([ModuleName])
        case allModules
    }

    private var changes: [ModuleName: Change] = [:]
    private var everything: Change?
    /// The modules that were not ready: for which reason, and when first and last.
    private var unready: [ModuleName: (why: Unreadiness, when: Change)] = [:]
    /// A module that was not put back for this long has been ready in the meantime.
    private static let unreadyMemory = Duration.seconds(10)
    /// How modules that are not settled yet appeared; no entry where that was not observed.
    private var arrivals: [ModuleName: Arrival] = [:]
    /// When modules changed, first and last; entries expire.
    private var touched: [ModuleName: Change] = [:]

    public init() {}

    /// Records that the module's files changed, or that the module appeared or disappeared.
    public mutating func touch(_ name: ModuleName, at now: Instant) {
        guard changes[name] != nil || changes.count < Self.namesMax else {
            return touchEverything(at: now)
        }
        changes[name, default: Change(at: now)].extend(to: now)
        touched[name, default: Change(at: now)].extend(to: now)
    }

    /// Records how the module's directory appeared, or (nil) that it disappeared.
    public mutating func touch(_ name: ModuleName, _ arrival: Arrival?, at now: Instant) {
        touch(name, at: now)
        // A forgotten arrival counts as not observed, and only causes a longer wait.
        if arrivals[name] != nil || arrivals.count < Self.namesMax { arrivals[name] = arrival }
    }

    /// Records that any module may have changed.
    public mutating func touchEverything(at now: Instant) {
        everything = everything ?? Change(at: now)
        everything?.extend(to: now)
    }

    /// When to call `take(at:)`; nil where nothing has changed.
    public var deadline: Instant? {
        guard !changes.isEmpty || everything != nil else { return nil }
        return (changes.values.map(\.due) + [everything?.due].compactMap(\.self)).min()
    }

    /// Removes and returns the modules whose quiet period has passed.
    public mutating func take(at now: Instant) -> Due {
        // Here and not in `putBack`, which is called for each of many modules.
        unready = unready.filter { $0.value.when.last + Self.unreadyMemory > now }
        touched = touched.filter { $0.value.last + Self.manifestPatience * 2 > now }
        if let everything, everything.due <= now {
            (changes, self.everything) = ([:], nil)
            return .allModules
        }
        let due = changes.filter { $0.value.due <= now }
        guard !due.isEmpty else { return .nothing }
        for name in due.keys { changes[name] = nil }
        return .modules(due.keys.sorted())
    }

    /// Puts back a module that was due but is not ready: it is due again after another quiet
    /// period.
    ///
    /// - Returns: false where it has not been ready, for the same reason, for too long.
    public mutating func putBack(
        _ name: ModuleName, since why: Unreadiness, at now: Instant
    ) -> Bool {
        var when = Change(at: now)
        if let known = unready[name], known.why == why,
            known.when.last + Self.unreadyMemory > now
        {
            when = known.when
            when.extend(to: now)
        }
        unready[name] = (why, when)
        guard when.first + why.patience > now else { return false }
        changes[name] = Change(at: now)
        // Files that come later were not part of the one rename.
        if arrivals[name] == .whole { arrivals[name] = nil }
        return true
    }

    /// Decides whether to wait for the manifest of a module that was due and has none.
    ///
    /// Without a manifest its roles run as the daemon's own user, so a file-by-file copy gets time
    /// to bring it. The module is due again when it has been unchanged for `manifestPatience`.
    ///
    /// - Parameter mayRunAlready: whether the module is active without a manifest.
    /// - Returns: false where the module is complete as it is.
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

    /// Forgets the arrivals of modules that are active by now, or gone.
    ///
    /// - Parameters:
    ///   - names: the modules that were due; nil: all.
    ///   - unready: those among them that were put back.
    public mutating func settle(_ names: [ModuleName]?, except unready: [ModuleName]) {
        let known = Set(arrivals.keys).union(touched.keys)
        for name in (names.map(Set.init) ?? known).subtracting(unready) {
            arrivals[name] = nil
            touched[name] = nil
        }
    }
}
