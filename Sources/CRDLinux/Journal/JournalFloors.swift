// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Keeps from each listener what lies before its own start, while the journal is read from the
/// first of them on.
struct JournalFloors {
    private struct Floor {
        let listener: Int
        let position: JournalPosition
        /// The position's entry, as the journal has it; else the time tells.
        let cursor: String?
    }

    private var floors: [Floor] = []
    /// By listener, whether it gets what is read.
    private(set) var isOpen: [Bool]

    /// - Parameters:
    ///   - starts: one a listener.
    ///   - first: where reading begins.
    init(
        _ starts: [JournalPosition], besides first: JournalPosition, in reader: JournalReader
    ) throws(SystemCallError) {
        // Where reading begins nothing is left to be kept from anybody, however that place is told.
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

    /// The entry is about to be told.
    mutating func reach(_ entry: JournalPosition) {
        open { floor in
            let position = floor.position
            if let own = floor.cursor { return position.isInclusive && own == entry.cursor }
            return position.bootID == entry.bootID
                ? position.monotonic <= entry.monotonic : position.time <= entry.time
        }
    }

    /// The entry has been told.
    mutating func pass(_ cursor: String) {
        open { $0.cursor == cursor }
    }

    /// All that there was has been read.
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
