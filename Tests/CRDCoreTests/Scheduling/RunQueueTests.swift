// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite struct RunQueueTests {
    private func queue(triggered: Range<Int>, interval: Range<Int>) -> RunQueue {
        var queue = RunQueue()
        for index in triggered { queue.append(ModuleID(index), to: .triggered) }
        for index in interval { queue.append(ModuleID(index), to: .interval) }
        return queue
    }

    private func drain(_ full: RunQueue) -> [Int] {
        var queue = full
        var order: [Int] = []
        while let module = queue.removeFirst() { order.append(module.index) }
        return order
    }

    @Test(
        "G5: triggered runs first, but four in a row at the most while the timer's wait",
        arguments: [
            (0..<0, 0..<0, []), (0..<2, 0..<0, [0, 1]), (0..<0, 0..<2, [0, 1]),
            (0..<2, 10..<12, [0, 1, 10, 11]),
            (0..<6, 10..<12, [0, 1, 2, 3, 10, 4, 5, 11]),
            (0..<9, 10..<11, [0, 1, 2, 3, 10, 4, 5, 6, 7, 8]),
        ] as [(Range<Int>, Range<Int>, [Int])])
    func lanesTakeTurns(triggered: Range<Int>, interval: Range<Int>, order: [Int]) {
        #expect(drain(queue(triggered: triggered, interval: interval)) == order)
    }

    @Test("Triggered runs that kept no one waiting do not count")
    func idleLaneEarnsNothing() {
        var queue = queue(triggered: 0..<8, interval: 0..<0)
        for _ in 0..<4 { _ = queue.removeFirst() }
        queue.append(ModuleID(10), to: .interval)
        #expect(drain(queue) == [4, 5, 6, 7, 10])
    }

    @Test("What is removed does not come, and the others keep their order")
    func removedIsGone() {
        var queue = queue(triggered: 0..<3, interval: 10..<12)
        queue.remove(ModuleID(1), from: .triggered)
        queue.remove(ModuleID(10), from: .interval)
        #expect(drain(queue) == [0, 2, 11])
        #expect(!queue.isEmpty)
    }
}
