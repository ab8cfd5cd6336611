// SPDX-License-Identifier: GPL-3.0-or-later

/// Which of the entries that were written while no daemon ran are looked at still.
public struct CatchUp: Hashable, Sendable {
    /// When a former daemon last read the journal, in microseconds since 1970. What was written
    /// before that may have been seen, and is looked at however old it is.
    public let downSince: Int64
    /// What was written earlier, in microseconds since 1970, is too old.
    public let oldest: Int64

    public init(downSince: Int64, oldest: Int64) {
        self.downSince = downSince
        self.oldest = oldest
    }

    func passesOver(_ entry: JournalEntry) -> Bool {
        entry.position.time > downSince && entry.position.time < oldest
    }
}
