// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

private let a = ModuleID(0)
private let b = ModuleID(1)
private let c = ModuleID(2)

/// The scheduler's guarantees in the design's section 5.
@Suite struct SchedulerGuaranteeTests {
    @Test(
        "G1: only the check's own exit with a condition code starts the response",
        arguments: [
            (Termination.exited(0), true), (.exited(3), true), (.exited(1), false),
            (.exited(2), false), (.exited(127), false), (.signaled(9), false),
        ])
    func conditionAloneResponds(termination: Termination, responds: Bool) {
        var rig = Rig { $0.conditionCodes = [0, 3] }
        #expect(rig.send(.started, at: 0) == ["check a start 0"])
        let answer = rig.send(.exited(a, termination), at: 5)
        #expect(answer == (responds ? ["kill a", "response a"] : ["clear a kill"]))
    }

    @Test("G1: a check that says 0 after its timeout has not said it")
    func timeoutNeverResponds() {
        var rig = Rig()
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.elapsed, at: 10_000) == ["terminate a"])
        #expect(rig.send(.exited(a, .exited(0)), at: 10_001) == ["clear a nothing"])
        #expect(
            rig.send(.emptied(a), at: 10_001) == ["conclude a timeout", "report a erring"])
    }

    @Test("G2: a trigger that comes during a run is served by the next")
    func triggerDuringRunIsServed() {
        var rig = Rig()
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.path(a), at: 1) == [])
        #expect(rig.status(a, at: 1).pendingCount == 1)
        #expect(rig.end(a, at: 2).last == "check a path 1")
    }

    @Test("G2: a pause keeps triggers, and ends in a check even without one")
    func pauseEndsInCheck() {
        var rig = Rig(2)
        #expect(rig.send(.paused(a, until: nil), at: 0) == [])
        #expect(rig.send(.paused(b, until: Rig.instant(500)), at: 0) == [])
        #expect(rig.send(.path(a), at: 1) == [])
        #expect(rig.send(.requested(a), at: 1) == [])
        #expect(rig.status(a, at: 1).phase == .paused)
        #expect(rig.send(.resumed(a), at: 100) == ["check a path 1"])
        #expect(rig.send(.elapsed, at: 500) == ["check b request 0"])
    }

    @Test("G2: what an unstartable check had taken comes back before what came since")
    func unstartableCheckGivesBack() {
        var rig = Rig()
        #expect(rig.send(.path(a), at: 0) == ["check a path 1"])
        #expect(rig.send(.path(a), at: 0) == [])
        #expect(rig.send(.unable(a, reason: "gone"), at: 0) == ["report a failed"])
        #expect(rig.status(a, at: 0).pendingCount == 2)
        #expect(rig.next() == ["at 1000", "check a path 2"])
    }

    @Test("G3: a module has one run at a time, whatever is asked of it")
    func oneRunAtATime() {
        var rig = Rig()
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.requested(a), at: 1) == [])
        #expect(rig.send(.path(a), at: 2) == [])
        #expect(rig.send(.exited(a, .exited(1)), at: 3) == ["clear a kill"])
        #expect(rig.send(.emptied(a), at: 3) == ["conclude a exit code 1", "check a path 1"])
    }

    @Test("G4: no more runs than slots; the next one starts when one has ended")
    func runsAreBounded() {
        var rig = Rig(4, slots: 2)
        #expect(rig.send(.started, at: 0) == ["check a start 0", "check b start 0"])
        #expect(rig.scheduler.slotsInUse == 2)
        #expect(rig.send(.exited(b, .exited(1)), at: 1) == ["clear b kill"])
        #expect(rig.send(.emptied(b), at: 1).last == "check c start 0")
        #expect(rig.status(ModuleID(3), at: 1).phase == .queued)
    }

    @Test("G5: triggered runs go first, but after four of them one of the timer's")
    func neitherLaneStarves() {
        var rig = Rig(8, slots: 1)
        _ = rig.send(.started, at: 0)
        for module in 2..<8 { _ = rig.send(.path(ModuleID(module)), at: 1) }
        var order: [String] = []
        var running = a
        while order.count < 7, let line = rig.end(running, at: 2).last {
            order.append(line)
            running = ModuleID(Array("abcdefgh").firstIndex(of: Array(line)[6]) ?? 0)
        }
        #expect(order.map { $0.dropFirst(6).prefix(1) } == ["c", "d", "e", "f", "b", "g", "h"])
    }

    @Test("G5: within a lane the first come is the first served")
    func lanesAreInOrder() {
        var rig = Rig(3, slots: 1) { $0.isCheckedAtStart = false }
        #expect(rig.send(.requested(c), at: 0) == ["check c request 0"])
        _ = rig.send(.path(b), at: 1)
        _ = rig.send(.path(a), at: 2)
        _ = rig.send(.path(c), at: 2)
        #expect(rig.end(c, at: 3).last == "check b path 1")
        _ = rig.send(.path(b), at: 4)
        #expect(rig.end(b, at: 5).last == "check a path 1")
        #expect(rig.end(a, at: 6).last == "check c path 1")
    }

    @Test("G6: the response takes its check's slot at once, whoever waits")
    func responseFollowsAtOnce() {
        var rig = Rig(2, slots: 1)
        _ = rig.send(.started, at: 0)
        _ = rig.send(.path(b), at: 1)
        #expect(rig.send(.exited(a, .exited(0)), at: 2) == ["kill a", "response a"])
        #expect(rig.scheduler.slotsInUse == 1)
    }

    @Test("G10: a response that touches its own path causes one more check, then silence")
    func selfTriggerEnds() {
        var rig = Rig {
            $0.interval = nil
            $0.cooldown = .auto
        }
        #expect(rig.send(.path(a), at: 0) == ["check a path 1"])
        #expect(rig.send(.exited(a, .exited(0)), at: 1) == ["kill a", "response a"])
        #expect(rig.send(.path(a), at: 2) == [])
        #expect(rig.send(.exited(a, .exited(0)), at: 3) == ["clear a terminate"])
        #expect(rig.send(.emptied(a), at: 3) == ["conclude a exit code 0"])
        #expect(rig.next() == ["at 103", "check a path 1"])
        #expect(rig.end(a, 1, at: 104) == ["clear a kill", "conclude a exit code 1"])
        #expect(rig.next() == [])
    }
}
