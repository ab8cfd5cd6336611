// SPDX-License-Identifier: GPL-3.0-or-later

/// The stored progress of a module in the journal.
public struct JournalRecord: Equatable, Decodable, Sendable {
    public struct Count: Equatable, Decodable, Sendable {
        /// The trigger as it was then: a trigger that has changed starts without a count.
        public let trigger: JournalTrigger
        let counter: EntryCounter

        /// The counter, as JSON to be read back.
        public var counterJSON: [UInt8] { counter.json }
    }

    public let position: JournalPosition
    public let counters: [Count]

    /// The record of a module that has counted nothing yet.
    public init(position: JournalPosition) {
        self.init(position: position, counters: [])
    }

    init(position: JournalPosition, counters: [Count]) {
        self.position = position
        self.counters = counters
    }
}
