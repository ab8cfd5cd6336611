// SPDX-License-Identifier: GPL-3.0-or-later

import HeapModule

/// At most one deadline per module, ordered by time, equal ones by name.
///
/// A heap cannot change an entry in place, so a deadline that moves leaves a stale entry behind,
/// which is skipped when it surfaces. The heap is rebuilt when most of its entries are stale.
struct DeadlineQueue {
    private struct Entry: Comparable {
        let deadline: Instant
        let rank: Int
        let module: ModuleID

        static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.rank) < (right.deadline, right.rank)
        }
    }

    private var heap = Heap<Entry>()
    /// The deadline of each module; an entry that differs from it is stale.
    private var current: [Instant?]
    private var ranks: [Int]

    /// - Parameter ranks: each module's place in name order.
    init(ranks: [Int]) {
        self.ranks = ranks
        current = Array(repeating: nil, count: ranks.count)
    }

    /// Replaces the ranks after modules were added or removed.
    mutating func rank(_ ranks: [Int]) {
        precondition(ranks.count >= current.count)
        self.ranks = ranks
        current += Array(repeating: nil, count: ranks.count - current.count)
        rebuild()
    }

    var earliest: Instant? {
        mutating get {
            dropStale()
            return heap.min?.deadline
        }
    }

    mutating func set(_ deadline: Instant?, for module: ModuleID) {
        guard current[module.index] != deadline else { return }
        current[module.index] = deadline
        guard let deadline else { return }
        if heap.count >= 2 * current.count + 64 {
            rebuild()
        } else {
            heap.insert(Entry(deadline: deadline, rank: ranks[module.index], module: module))
        }
    }

    /// Removes and returns the next module whose deadline has come.
    mutating func popElapsed(at now: Instant) -> ModuleID? {
        dropStale()
        guard let entry = heap.min, entry.deadline <= now else { return nil }
        heap.removeMin()
        current[entry.module.index] = nil
        return entry.module
    }

    private mutating func dropStale() {
        while let entry = heap.min, current[entry.module.index] != entry.deadline {
            heap.removeMin()
        }
    }

    private mutating func rebuild() {
        heap = Heap(
            current.indices.compactMap { index in
                current[index].map {
                    Entry(deadline: $0, rank: ranks[index], module: ModuleID(index))
                }
            })
    }
}
