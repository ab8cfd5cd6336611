// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Withholds from each listener the entries before its own start, while the journal is read from
/// the earliest start.
struct JournalFloors {
    private struct Floor {
        let listener: Int
        let position: JournalPosition
        /// The cursor of the position's entry as the journal now has it; nil if it is gone, and
        /// then the time decides.
        let cursor: String?
    }

    private var floors: [Floor] = []
    /// By listener, whether it receives the entries read.
    private(set) var isOpen: [Bool]

    /// Finds the entries that the starts refer to.
    ///
    /// - Parameters:
    ///   - starts: one for each listener.
    ///   - first: where reading begins.
    init(
        _ starts: [JournalPosition], besides first: JournalPosition, in reader: JournalReader
    ) throws(SystemCallError) {
        // A listener that starts where reading begins needs no floor, whichever fields give the
        // place.
        isOpen = starts.map { start in
            let isSamePlace = start.cursor == first.cursor && start.isInclusive == first.isInclusive
            return start == first || (isSamePlace && !start.cursor.isEmpty)
        }
        var found: [String: String?] = ["": nil]
        for (listener, position) in starts.enumerated() where !isOpen[listener] {
            if found[position.cursor] == nil {
                found[position.cursor] = .some(try reader.find(position.cursor))
            }
            floors.append(
                Floor(
                    listener: listener, position: position,
                    cursor: found[position.cursor] ?? nil))
        }
    }

    var isEmpty: Bool { floors.isEmpty }

    /// Opens the floors at or before an entry that is about to be dispatched.
    mutating func reach(_ entry: JournalPosition) {
        open { floor in
            let position = floor.position
            if let own = floor.cursor { return position.isInclusive && own == entry.cursor }
            return position.bootID == entry.bootID
                ? position.monotonic <= entry.monotonic : position.time <= entry.time
        }
    }

    /// Opens the floors at an entry that has been dispatched.
    mutating func pass(_ cursor: String) {
        open { $0.cursor == cursor }
    }

    /// Opens all floors, at the end of the journal.
    mutating func openAll() {
        open { _ in true }
    }

    private mutating func open(where isReached: (Floor) -> Bool) {
        floors.removeAll { floor in
            guard isReached(floor) else { return false }
            isOpen[floor.listener] = true
            return true
        }
    }
}
