// SPDX-License-Identifier: GPL-3.0-or-later

/// The differences that a reload has found in the files. They take effect at once, as a whole
/// (G11).
public struct Reload: Sendable {
    /// A module that is new or has changed.
    public struct Change: Sendable {
        public let module: ModuleID
        public let policy: Policy
        /// Whether its own files changed, and not crd.conf alone; then it is checked at once.
        public let isEdited: Bool

        public init(_ module: ModuleID, _ policy: Policy, isEdited: Bool) {
            self.module = module
            self.policy = policy
            self.isEdited = isEdited
        }
    }

    /// How many runs may be under way at once, at least 1.
    public var slots: Int
    /// The new and changed modules. A number that no module has creates one; it must be the next
    /// number after the last, or one that `Command.forget` has freed.
    public var changes: [Change] = []
    /// Modules whose files have not changed. One that could not be started is retried, since the
    /// cause may have been fixed elsewhere.
    public var untouched: [ModuleID] = []
    /// Modules that were removed. One that is running finishes its run.
    public var removed: [ModuleID] = []
    /// Where to begin in the journal, for modules that had no journal triggers until now.
    public var journal: [ModuleID: JournalRecord] = [:]
    /// Which of the missed entries are too old for these modules; nil: none.
    public var catchUp: CatchUp?

    public init(slots: Int) {
        self.slots = slots
    }
}
