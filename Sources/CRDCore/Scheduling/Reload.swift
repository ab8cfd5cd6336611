// SPDX-License-Identifier: GPL-3.0-or-later

/// What a look at the files has found to be different. It is put in force at once, as a whole (G11).
public struct Reload: Sendable {
    /// A module that is new, or that changes.
    public struct Change: Sendable {
        public let module: ModuleID
        public let policy: Policy
        /// Its own files say so, and not crd.conf alone: then it is checked at once.
        public let isEdited: Bool

        public init(_ module: ModuleID, _ policy: Policy, isEdited: Bool) {
            self.module = module
            self.policy = policy
            self.isEdited = isEdited
        }
    }

    /// How many runs may be under way at once, at least 1.
    public var slots: Int
    /// A number that no module has is given to a new one; the next after the last, or one that
    /// `Command.forget` has set free.
    public var changes: [Change] = []
    /// They were found as they are. One that could not be started is tried again, since what kept it
    /// from that may have been mended elsewhere.
    public var untouched: [ModuleID] = []
    /// They are gone. One that runs finishes its run.
    public var removed: [ModuleID] = []
    /// Where those begin that have journal triggers and had none.
    public var journal: [ModuleID: JournalRecord] = [:]
    /// What is too old of what these have to catch up with; nil: nothing.
    public var catchUp: CatchUp?

    public init(slots: Int) {
        self.slots = slots
    }
}
