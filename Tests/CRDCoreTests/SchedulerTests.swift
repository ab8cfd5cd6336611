// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

private let a = ModuleID(0)
private let b = ModuleID(1)
private let c = ModuleID(2)

/// The guarantees of the design's section 5 that are the scheduler's.
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

/// Section 6: when triggers alone may start a run, and what else may.
@Suite struct SchedulerDeferralTests {
    @Test("G10: settle waits until no trigger came for so long")
    func settleWaitsForQuiet() {
        var rig = Rig { $0.settle = .milliseconds(100) }
        #expect(rig.send(.path(a), at: 0) == [])
        #expect(rig.send(.path(a), at: 60) == [])
        #expect(rig.status(a, at: 60).phase == .settling)
        #expect(rig.next() == ["at 160", "check a path 2"])
    }

    @Test("G10: settling ends after ten times settle, come what may")
    func settleIsBounded() {
        var rig = Rig { $0.settle = .milliseconds(100) }
        for time in stride(from: 0, to: 1_000, by: 50) {
            #expect(rig.send(.path(a), at: time) == [])
        }
        #expect(rig.next() == ["at 1000", "check a path 20"])
    }

    @Test("G10: a trigger makes a module settle on that waits for a slot")
    func queuedModuleSettlesOn() {
        var rig = Rig(2, slots: 1) {
            $0.settle = .milliseconds(100)
            $0.isCheckedAtStart = false
        }
        _ = rig.send(.requested(b), at: 0)
        _ = rig.send(.path(a), at: 0)
        #expect(rig.send(.elapsed, at: 100) == [])
        #expect(rig.status(a, at: 100).phase == .queued)
        _ = rig.send(.path(a), at: 150)
        #expect(rig.status(a, at: 150).phase == .settling)
        #expect(rig.end(b, at: 160).last == "conclude b exit code 1")
        #expect(rig.next().first == "at 250")
    }

    @Test("Settling ends at the first run of any cause, which takes the triggers along")
    func otherCauseEndsSettling() {
        var rig = Rig { $0.settle = .seconds(1) }
        _ = rig.send(.path(a), at: 0)
        #expect(rig.send(.requested(a), at: 1) == ["check a path 1"])
        _ = rig.end(a, at: 2)
        #expect(rig.status(a, at: 2).phase == .idle)
        #expect(rig.send(.elapsed, at: 1_001) == [])
    }

    @Test(
        "G10: cooldown auto is nine times the check, at least 100 ms, at most the interval",
        arguments: [(0, 100), (5, 100), (20, 180), (1_000, 9_000), (5_000, 30_000)])
    func cooldownFollowsCheck(check: Int, cooldown: Int) {
        var rig = Rig {
            $0.cooldown = .auto
            $0.interval = nil
        }
        #expect(rig.send(.path(a), at: 0) == ["check a path 1"])
        _ = rig.end(a, at: check)
        #expect(rig.send(.path(a), at: check) == [])
        #expect(rig.status(a, at: check).phase == .cooling)
        #expect(rig.next() == ["at \(check + cooldown)", "check a path 1"])
    }

    @Test("G10: a fixed cooldown counts from the end of the run, response included")
    func cooldownCountsFromEnd() {
        var rig = Rig { $0.cooldown = .fixed(.seconds(2)) }
        _ = rig.send(.path(a), at: 0)
        _ = rig.send(.exited(a, .exited(0)), at: 10)
        _ = rig.send(.path(a), at: 20)
        _ = rig.end(a, 0, at: 1_000)
        #expect(rig.next().first == "at 3000")
    }

    @Test("G10: beyond the limit, responses to triggers wait for the window to pass")
    func limitDefers() {
        var rig = Rig { $0.limit = .init(count: 2, window: .seconds(5)) }
        for time in [0, 1_000] {
            #expect(rig.send(.path(a), at: time) == ["check a path 1"])
            #expect(rig.send(.exited(a, .exited(0)), at: time) == ["kill a", "response a"])
            _ = rig.end(a, 0, at: time)
        }
        #expect(rig.send(.path(a), at: 2_000) == [])
        #expect(rig.send(.path(a), at: 3_000) == [])
        #expect(rig.next() == ["at 5000", "check a path 2"])
    }

    @Test("Checks that find nothing, and runs without events, use up no limit")
    func limitCountsResponsesToEvents() {
        var rig = Rig { $0.limit = .init(count: 1, window: .seconds(60)) }
        for time in 0..<3 {
            #expect(rig.send(.path(a), at: time) == ["check a path 1"])
            _ = rig.end(a, 1, at: time)
        }
        _ = rig.send(.requested(a), at: 4)
        _ = rig.send(.exited(a, .exited(0)), at: 4)
        _ = rig.end(a, 0, at: 4)
        #expect(rig.send(.path(a), at: 5) == ["check a path 1"])
    }

    @Test("Interval runs do not wait for cooldown, and take the triggers along")
    func intervalRunTakesEvents() {
        var rig = Rig { $0.cooldown = .fixed(.seconds(3_600)) }
        _ = rig.send(.path(a), at: 0)
        _ = rig.end(a, at: 1)
        _ = rig.send(.triggered(a, .named("{}", cause: .journal)), at: 2)
        #expect(rig.send(.elapsed, at: 30_000) == ["check a journal 1"])
    }
}

/// Section 6: the timer, the causes, pauses.
@Suite struct SchedulerTimerTests {
    @Test("At start everything is checked once, in name order, but what says otherwise")
    func startChecksAll() {
        var rig = Rig([
            .named("z"), .named("B"), .named("quiet") { $0.isCheckedAtStart = false },
            .named("off") { $0.standing = .disabled }, .named("a"), .named("9"),
        ])
        #expect(
            rig.send(.started, at: 0) == [
                "check 9 start 0", "check B start 0", "check a start 0", "check z start 0",
            ])
    }

    @Test("With one slot, modules due together run one after the other in name order")
    func oneSlotIsASequence() {
        var rig = Rig([.named("c"), .named("a"), .named("b")], slots: 1)
        #expect(rig.send(.elapsed, at: 30_000) == ["check a interval 0"])
        #expect(rig.end(b, at: 30_001).last == "check b interval 0")
        #expect(rig.end(c, at: 30_002).last == "check c interval 0")
    }

    @Test("Missed periods are skipped, and the next comes when it would have come")
    func missedPeriodsAreSkipped() {
        var rig = Rig { $0.interval = .seconds(1) }
        #expect(rig.send(.elapsed, at: 7_400) == ["check a interval 0"])
        _ = rig.end(a, at: 7_400)
        #expect(rig.next().first == "at 8000")
    }

    @Test("A period that passes during a run is not made up")
    func periodDuringRunIsSkipped() {
        var rig = Rig { $0.interval = .seconds(1) }
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.elapsed, at: 1_000) == [])
        #expect(rig.end(a, at: 1_500).last == "conclude a exit code 1")
    }

    @Test("The newest trigger names the cause; without one, a request goes before the timer")
    func causeIsTheNewestTrigger() {
        var rig = Rig(2, slots: 1)
        _ = rig.send(.started, at: 0)
        _ = rig.send(.requested(b), at: 1)
        #expect(rig.end(a, at: 2).last == "check b request 0")
        _ = rig.send(.triggered(b, .named("1", cause: .signal)), at: 3)
        _ = rig.send(.triggered(b, .named("2", cause: .journal)), at: 4)
        _ = rig.send(.requested(b), at: 5)
        #expect(rig.end(b, at: 6).last == "check b journal 2")
    }

    @Test("A module with triggers alone has no deadline of its own")
    func triggersAloneNeedNoTimer() {
        var rig = Rig { $0.interval = nil }
        #expect(rig.next() == [])
        #expect(rig.send(.path(a), at: 5) == ["check a path 1"])
    }

    @Test(
        "A disabled or failed module takes no part",
        arguments: [
            (Policy.Standing.disabled, Phase.disabled), (.failed(reason: "writable"), .failed),
        ])
    func othersTakeNoPart(standing: Policy.Standing, phase: Phase) {
        var rig = Rig { $0.standing = standing }
        for event in [Event.started, .path(a), .requested(a), .resumed(a)] {
            #expect(rig.send(event, at: 0) == [])
        }
        #expect(rig.next() == [])
        #expect(rig.status(a, at: 0).phase == phase)
        #expect(rig.status(a, at: 0).pendingCount == 0)
    }

    @Test("A check that cannot be started is tried again, later each time, never past the interval")
    func retriesBackOff() {
        var rig = Rig {
            $0.isCheckedAtStart = true
            $0.interval = .seconds(6)
        }
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.unable(a, reason: "no exec"), at: 0) == ["report a failed"])
        for time in [1_000, 3_000] {
            #expect(rig.next() == ["at \(time)", "check a start 0"])
            #expect(rig.send(.unable(a, reason: "no exec"), at: time) == [])
        }
        #expect(rig.next() == ["at 6000"], "an interval that the retry stands for")
        #expect(rig.next() == ["at 7000", "check a start 0"])
        #expect(rig.send(.unable(a, reason: "no exec"), at: 7_000) == [])
        #expect(rig.next() == ["at 12000"])
        #expect(rig.next() == ["at 13000", "check a start 0"], "no more than the interval later")
    }

    @Test("A run that came before the retry takes its place")
    func requestReplacesRetry() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.path(a), at: 0)
        _ = rig.send(.unable(a, reason: "no exec"), at: 0)
        #expect(rig.send(.requested(a), at: 500) == ["check a path 1"])
        #expect(rig.send(.elapsed, at: 1_000) == [])
        #expect(rig.end(a, at: 1_500).last == "report a well")
        #expect(rig.next() == [])
    }
}

/// Section 5, G7 as far as it is the scheduler's, and the daemon's end.
@Suite struct SchedulerEndTests {
    @Test("G7: timeout, SIGTERM, grace, SIGKILL; what survives it frees the slot and is stuck")
    func forceGrows() {
        var rig = Rig(2, slots: 1) {
            $0.interval = nil
            $0.isCheckedAtStart = true
        }
        #expect(rig.send(.started, at: 0) == ["check a start 0"])
        #expect(rig.next() == ["at 10000", "terminate a"])
        #expect(rig.next() == ["at 15000", "kill a"])
        #expect(rig.next() == ["at 20000", "kill a", "report a stuck", "check b start 0"])
        #expect(rig.status(a, at: 20_000).phase == .stuck)
        #expect(rig.send(.path(a), at: 20_001) == [])
        _ = rig.end(b, at: 20_002)
        #expect(rig.send(.exited(a, .signaled(9)), at: 50_000) == ["clear a kill"])
        #expect(
            rig.send(.emptied(a), at: 50_000) == [
                "conclude a timeout", "report a erring", "check a path 1",
            ])
        #expect(rig.scheduler.slotsInUse == 1)
    }

    @Test("G7: what a response leaves behind gets TERM, then KILL")
    func leftoversEnd() {
        var rig = Rig()
        _ = rig.send(.started, at: 0)
        _ = rig.send(.exited(a, .exited(0)), at: 0)
        #expect(rig.send(.exited(a, .exited(0)), at: 1_000) == ["clear a terminate"])
        #expect(rig.next() == ["at 6000", "kill a"])
        #expect(rig.send(.emptied(a), at: 6_001) == ["conclude a exit code 0"])
    }

    @Test("Leftovers that are kept end the run, unless the response was ended by force")
    func leftoversAreKept() {
        var rig = Rig { $0.leftovers = .keep }
        _ = rig.send(.started, at: 0)
        _ = rig.send(.exited(a, .exited(0)), at: 0)
        #expect(rig.send(.exited(a, .exited(0)), at: 1) == ["conclude a exit code 0"])
        _ = rig.send(.requested(a), at: 2)
        _ = rig.send(.exited(a, .exited(0)), at: 2)
        #expect(rig.send(.elapsed, at: 20_002) == ["terminate a"])
        #expect(rig.send(.exited(a, .signaled(15)), at: 20_003) == ["clear a nothing"])
    }

    @Test("A response that cannot be started ends the run")
    func responseUnable() {
        var rig = Rig()
        _ = rig.send(.started, at: 0)
        _ = rig.send(.exited(a, .exited(0)), at: 1)
        #expect(rig.send(.unable(a, reason: "no exec"), at: 1) == ["clear a kill"])
        #expect(rig.send(.emptied(a), at: 1) == ["conclude a exit code 0", "report a failed"])
        #expect(rig.status(a, at: 1).last?.response == .unable(reason: "no exec"))
    }

    @Test("Told to stop with nothing under way, it is done")
    func stopAtRest() {
        var rig = Rig()
        #expect(rig.send(.stopped, at: 0) == ["exit"])
        #expect(rig.send(.stopped, at: 1) == [])
        #expect(rig.send(.path(a), at: 2) == [])
    }

    @Test("Told to stop: checks end now, responses have grace, and nothing starts any more")
    func stopOnce() {
        var rig = Rig(3, slots: 2)
        _ = rig.send(.started, at: 0)
        _ = rig.send(.exited(b, .exited(0)), at: 1)
        #expect(rig.send(.stopped, at: 1_000) == ["terminate a"])
        #expect(rig.send(.exited(a, .exited(0)), at: 1_001) == ["clear a nothing"])
        #expect(rig.send(.emptied(a), at: 1_001) == ["conclude a end of the daemon"])
        #expect(rig.next() == ["at 6000", "terminate b"])
        _ = rig.send(.exited(b, .signaled(15)), at: 6_001)
        #expect(rig.send(.emptied(b), at: 6_001) == ["conclude b exit code 0", "exit"])
    }

    @Test("Told twice to stop: everything is killed, and what does not die is not waited for")
    func stopTwice() {
        var rig = Rig(2)
        _ = rig.send(.started, at: 0)
        _ = rig.send(.exited(b, .exited(0)), at: 1)
        _ = rig.send(.stopped, at: 1_000)
        #expect(rig.send(.stopped, at: 1_001) == ["kill a", "kill b"])
        #expect(rig.send(.exited(a, .signaled(9)), at: 1_002) == ["clear a kill"])
        _ = rig.send(.emptied(a), at: 1_002)
        #expect(rig.next() == ["at 6001", "kill b", "report b stuck", "exit"])
    }
}
