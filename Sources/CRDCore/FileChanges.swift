// SPDX-License-Identifier: GPL-3.0-or-later

/// Which modules' files have changed on disk, and when to look at them: when nothing has happened to
/// them for a while, since who changes one file mostly changes another.
public struct FileChanges: Sendable {
    /// How long nothing must have happened.
    public static let quiet = Duration.seconds(1)
    /// What never comes to rest is looked at all the same.
    private static let unrestMax = quiet * 10
    /// How long a module may be found not to be complete, before that is a fault.
    public static let patience = Duration.seconds(10)
    /// And how long to be written, which is seen, so that there is no doubt.
    public static let writingPatience = Duration.seconds(60)
    /// With more of them, all modules are looked at.
    private static let namesMax = 4_096

    private struct Change {
        var first: Instant
        var last: Instant

        var due: Instant { min(last + FileChanges.quiet, first + FileChanges.unrestMax) }
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
    /// When modules were found not to be ready, first and last.
    private var unready: [ModuleName: Change] = [:]

    public init() {}

    /// Something has happened to the module's files, or it has come or gone.
    public mutating func note(_ name: ModuleName, at now: Instant) {
        guard changes[name] != nil || changes.count < Self.namesMax else {
            return noteEverything(at: now)
        }
        changes[name, default: Change(first: now, last: now)].last = now
    }

    /// What has happened to which module is unknown.
    public mutating func noteEverything(at now: Instant) {
        everything = everything ?? Change(first: now, last: now)
        everything?.last = now
    }

    /// When to ask for what is due.
    public var deadline: Instant? {
        guard !changes.isEmpty || everything != nil else { return nil }
        return (changes.values.map(\.due) + [everything?.due].compactMap(\.self)).min()
    }

    /// What has come to rest. It is not told again.
    public mutating func take(at now: Instant) -> Due {
        // Not at each of many modules that are put back.
        unready = unready.filter { $0.value.last + Self.patience > now }
        if let everything, everything.due <= now {
            (changes, self.everything) = ([:], nil)
            return .everything
        }
        let due = changes.filter { $0.value.due <= now }
        guard !due.isEmpty else { return .nothing }
        for name in due.keys { changes[name] = nil }
        return .modules(due.keys.sorted())
    }

    /// A module that was told is not complete yet: it is told again when the time of rest has passed
    /// once more.
    ///
    /// - Returns: false where that has been so for too long to be no fault.
    public mutating func putBack(
        _ name: ModuleName, within patience: Duration = patience, at now: Instant
    ) -> Bool {
        // What was not asked about for so long has been complete meanwhile.
        if let last = unready[name]?.last, last + Self.patience <= now { unready[name] = nil }
        unready[name, default: Change(first: now, last: now)].last = now
        guard let first = unready[name]?.first, first + patience > now else { return false }
        changes[name] = Change(first: now, last: now)
        return true
    }
}
