// SPDX-License-Identifier: GPL-3.0-or-later

/// Decides which of the entries that were written while no daemon ran are still matched.
public struct CatchUp: Hashable, Sendable {
    /// When a former daemon last read the journal, in microseconds since 1970. Earlier entries may
    /// have been read by it, and are matched however old they are.
    public let downSince: Int64
    /// Entries written between `downSince` and this time are skipped; in microseconds since 1970.
    public let oldest: Int64

    public init(downSince: Int64, oldest: Int64) {
        self.downSince = downSince
        self.oldest = oldest
    }

    func passesOver(_ entry: JournalEntry) -> Bool {
        entry.position.time > downSince && entry.position.time < oldest
    }
}
