// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite struct DeadlineQueueTests {
    /// Three modules whose name order is 2, 0, 1.
    private var queue = DeadlineQueue(ranks: [1, 2, 0])

    private func at(_ seconds: Int64) -> Instant {
        Instant(nanoseconds: seconds * 1_000_000_000)
    }

    @Test("The earliest comes first, equal ones in name order, and none before its time")
    func order() {
        var queue = queue
        queue.set(at(5), for: ModuleID(0))
        queue.set(at(5), for: ModuleID(2))
        queue.set(at(3), for: ModuleID(1))
        #expect(queue.earliest == at(3))
        #expect(queue.popElapsed(at: at(2)) == nil)
        #expect(queue.popElapsed(at: at(5)) == ModuleID(1))
        #expect(queue.popElapsed(at: at(5)) == ModuleID(2))
        #expect(queue.popElapsed(at: at(5)) == ModuleID(0))
        #expect(queue.popElapsed(at: at(5)) == nil)
        #expect(queue.earliest == nil)
    }

    @Test("A deadline that moved or went does not come at its old time")
    func staleIsPassedOver() {
        var queue = queue
        queue.set(at(1), for: ModuleID(0))
        queue.set(at(9), for: ModuleID(0))
        queue.set(at(2), for: ModuleID(1))
        queue.set(nil, for: ModuleID(1))
        #expect(queue.earliest == at(9))
        #expect(queue.popElapsed(at: at(8)) == nil)
    }

    @Test("The same deadline set again comes once")
    func sameAgain() {
        var queue = queue
        queue.set(at(1), for: ModuleID(0))
        queue.set(nil, for: ModuleID(0))
        queue.set(at(1), for: ModuleID(0))
        #expect(queue.popElapsed(at: at(1)) == ModuleID(0))
        #expect(queue.popElapsed(at: at(1)) == nil)
    }

    @Test("Deadlines that move without end keep their order when the heap is made anew")
    func rebuildKeepsAll() {
        var queue = queue
        queue.set(at(5_000), for: ModuleID(1))
        for second in 1...1_000 { queue.set(at(Int64(2_000 - second)), for: ModuleID(0)) }
        #expect(queue.popElapsed(at: at(10_000)) == ModuleID(0))
        #expect(queue.popElapsed(at: at(10_000)) == ModuleID(1))
        #expect(queue.popElapsed(at: at(10_000)) == nil)
    }
}
