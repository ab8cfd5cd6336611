// SPDX-License-Identifier: GPL-3.0-or-later

/// What is stored of a module's progress with the journal.
public struct JournalRecord: Hashable, Codable, Sendable {
    struct Count: Hashable, Codable, Sendable {
        /// As it was then: of a trigger that was changed nothing has been counted.
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
