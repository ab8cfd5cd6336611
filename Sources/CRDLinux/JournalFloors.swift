// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Keeps from each listener what lies before its own start, while the journal is read from the
/// first of them on.
struct JournalFloors {
    private struct Floor {
        let listener: Int
        let position: JournalPosition
        /// Whether the journal still has the position's entry; else the time tells.
        let isThere: Bool
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
        isOpen = starts.map { $0 == first }
        var isThere: [String: Bool] = ["": false]
        for (listener, position) in starts.enumerated() where position != first {
            if isThere[position.cursor] == nil {
                isThere[position.cursor] = try reader.has(position.cursor)
            }
            floors.append(
                Floor(
                    listener: listener, position: position,
                    isThere: isThere[position.cursor] ?? false))
        }
    }

    var isEmpty: Bool { floors.isEmpty }

    /// The entry is about to be told.
    mutating func reach(_ entry: JournalPosition) {
        open { floor in
            let position = floor.position
            if floor.isThere { return position.isInclusive && position.cursor == entry.cursor }
            return position.bootID == entry.bootID
                ? position.monotonic <= entry.monotonic : position.time <= entry.time
        }
    }

    /// The entry has been told.
    mutating func pass(_ cursor: String) {
        open { $0.isThere && $0.position.cursor == cursor }
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
