// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

private let a = ModuleID(0)
private let b = ModuleID(1)
private let c = ModuleID(2)

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

    @Test("What a check takes counts from its own start, not from that of others in the turn")
    func durations() {
        var rig = Rig()
        _ = rig.send(.started, at: 0)
        #expect(rig.send(.spawned(a, at: Rig.instant(300)), at: 300) == [])
        _ = rig.end(a, at: 1_000)
        #expect(rig.status(a, at: 1_000).last?.checkDuration == .milliseconds(700))
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
