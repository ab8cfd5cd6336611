// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

private let a = ModuleID(0)
private let b = ModuleID(1)

/// The scheduler's part of section 5, G7, and the daemon's end.
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
        #expect(rig.next() == ["at 25000", "kill a"])
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
        #expect(rig.next() == ["at 6000", "clear a kill"])
        #expect(rig.send(.emptied(a), at: 6_001) == ["conclude a exit code 0"])
    }

    @Test(
        "A stuck module whose last notice got lost is asked about again, until there is an answer")
    func lostNotice() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.exited(a, .exited(1)), at: 1_000) == ["clear a kill"])
        #expect(rig.next() == ["at 6000", "clear a kill", "report a stuck"])
        #expect(rig.next() == ["at 11000", "clear a kill"])
        #expect(rig.next() == ["at 16000", "clear a kill"])
        #expect(
            rig.send(.emptied(a), at: 16_000) == ["conclude a exit code 1", "report a well"])
        #expect(rig.scheduler.slotsInUse == 0)
        #expect(rig.next() == [])
    }

    @Test(
        "A stuck module is no longer stuck when its run has ended, though its response was not ready"
    )
    func stuckBeforeResponse() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.exited(a, .exited(0)), at: 1_000) == ["kill a", "response a"])
        #expect(rig.send(.notReady(a, reason: "written"), at: 1_000) == ["clear a kill"])
        #expect(rig.next() == ["at 6000", "clear a kill", "report a stuck"])
        #expect(
            rig.send(.emptied(a), at: 7_000) == ["conclude a exit code 0", "report a well"])
        #expect(rig.next() == ["at 8000", "check a start 0"])
    }

    @Test("G7: what has ended in time has, however long its output is read")
    func awaitedOutput() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.awaitingOutput(a, since: Rig.instant(9_000)), at: 9_500) == [])
        #expect(rig.next() == [])
        #expect(rig.send(.elapsed, at: 12_000) == [])
        #expect(rig.send(.exited(a, .exited(1)), at: 12_000) == ["clear a kill"])
        var taken: Duration?
        rig.withScheduler {
            for case .conclude(_, let conclusion) in $0.receive(
                .emptied(a), at: Rig.instant(12_000))
            {
                taken = conclusion.checkDuration
            }
        }
        #expect(taken == .seconds(9))
    }

    @Test("G7: output that is read does not stop the kill of what has had its time")
    func awaitedOutputTooLate() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.started, at: 0)
        #expect(rig.next() == ["at 10000", "terminate a"])
        #expect(rig.send(.awaitingOutput(a, since: Rig.instant(10_100)), at: 10_100) == [])
        #expect(rig.next() == ["at 15000", "kill a"])
        #expect(rig.send(.exited(a, .exited(0)), at: 15_100) == ["clear a kill"])
        #expect(
            rig.send(.emptied(a), at: 15_100) == ["conclude a timeout", "report a erring"])
    }

    @Test("A stop waits for the output of what has ended")
    func stopWhileOutputIsRead() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.started, at: 0)
        _ = rig.send(.exited(a, .exited(0)), at: 1_000)
        #expect(rig.send(.awaitingOutput(a, since: Rig.instant(2_000)), at: 2_000) == [])
        #expect(rig.send(.stopped, at: 2_000) == [])
        #expect(rig.next() == [])
        #expect(rig.send(.exited(a, .exited(0)), at: 7_500) == ["clear a terminate"])
        #expect(rig.send(.emptied(a), at: 7_500) == ["conclude a exit code 0", "exit"])
    }

    @Test("While the executable itself survives SIGKILL, it is sent again")
    func stuckExecutable() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.started, at: 0)
        for expected in [
            ["at 10000", "terminate a"], ["at 15000", "kill a"],
            ["at 20000", "kill a", "report a stuck"], ["at 25000", "kill a"],
            ["at 30000", "kill a"],
        ] { #expect(rig.next() == expected) }
        _ = rig.send(.stopped, at: 30_001)
        #expect(rig.next() == ["at 35000", "kill a"])
    }

    @Test("A SIGKILL that was refused is why the module is stuck, whenever that turns out")
    func refused() {
        var rig = Rig(2) { $0.interval = nil }
        _ = rig.send(.started, at: 0)
        _ = rig.send(.exited(a, .exited(1)), at: 1_000)
        _ = rig.send(.exited(b, .exited(1)), at: 1_000)
        #expect(rig.send(.refused(a, reason: "not ours"), at: 1_000) == [])
        #expect(
            rig.next() == [
                "at 6000", "clear a kill", "report a stuck: not ours", "clear b kill",
                "report b stuck",
            ])
        #expect(
            rig.send(.refused(b, reason: "not ours"), at: 6_000) == ["report b stuck: not ours"])
        #expect(rig.send(.refused(b, reason: "nor this"), at: 6_000) == [])
        _ = rig.send(.emptied(a), at: 7_000)
        // The refusal may be reported after the run has ended.
        #expect(rig.send(.refused(a, reason: "late"), at: 7_001) == [])
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
