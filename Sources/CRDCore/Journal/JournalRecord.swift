// SPDX-License-Identifier: GPL-3.0-or-later

/// The stored progress of a module in the journal.
public struct JournalRecord: Hashable, Codable, Sendable {
    struct Count: Hashable, Codable, Sendable {
        /// The trigger as it was then: a trigger that has changed starts without a count.
        let trigger: JournalTrigger
        let counter: EntryCounter
    }

    public let position: JournalPosition
    let counters: [Count]

    /// The record of a module that has counted nothing yet.
    public init(position: JournalPosition) {
        self.init(position: position, counters: [])
    }

    init(position: JournalPosition, counters: [Count]) {
        self.position = position
        self.counters = counters
    }
}
