// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

private let a = ModuleID(0)
private let b = ModuleID(1)

/// The scheduler's part of section 5, G9.
@Suite struct SchedulerDeafnessTests {
    @Test("G9: a deaf module is checked every 5 s, each time after another attempt to watch")
    func deafModuleIsPolled() {
        var rig = Rig()
        #expect(
            rig.send(.deafened(a, .path, reason: "no watch left"), at: 100) == ["a is deaf, polled"]
        )
        for time in [5_100, 10_100] {
            #expect(rig.next() == ["at \(time)", "rearm a", "check a interval 0"])
            _ = rig.end(a, at: time + 50)
        }
    }

    @Test(
        "G9: what has a shorter interval is polled no less often for being deaf",
        arguments: [(500, 500), (5_000, 5_000), (5_001, 5_000), (3_600_000, 5_000)])
    func pollsKeepToInterval(interval: Int, poll: Int) {
        var rig = Rig { $0.interval = .milliseconds(interval) }
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 0)
        #expect(rig.next() == ["at \(poll)", "rearm a", "check a interval 0"])
        _ = rig.end(a, at: poll)
        #expect(rig.next() == ["at \(2 * poll)", "rearm a", "check a interval 0"])
    }

    @Test("G9: with interval off it is not polled, but tried again and looked at when it hears")
    func triggersAloneAreNotPolled() {
        var rig = Rig { $0.interval = nil }
        #expect(rig.send(.deafened(a, .path, reason: "no watch left"), at: 0) == ["a is deaf"])
        #expect(rig.status(a, at: 0).deafness == Deafness(reason: "no watch left", isPolled: false))
        #expect(rig.status(a, at: 0).nextInterval == nil)
        #expect(rig.next() == ["at 5000", "rearm a"])
        #expect(rig.next() == ["at 10000", "rearm a"])
        #expect(rig.send(.rearmed(a, .path), at: 10_000) == ["a hears again", "check a start 0"])
        _ = rig.end(a, at: 10_001)
        #expect(rig.next() == [])
    }

    @Test("G9: deafness is told once, however often it is found, and so is its end")
    func deafnessIsToldOnce() {
        var rig = Rig()
        #expect(rig.send(.rearmed(a, .path), at: 0) == [])
        #expect(
            rig.send(.deafened(a, .path, reason: "no watch left"), at: 0) == ["a is deaf, polled"])
        #expect(rig.send(.deafened(a, .path, reason: "unreadable"), at: 1_000) == [])
        #expect(rig.status(a, at: 1_000).deafness?.reason == "unreadable")
        #expect(rig.next() == ["at 5000", "rearm a", "check a interval 0"])
        #expect(rig.send(.deafened(a, .path, reason: "unreadable"), at: 5_000) == [])
        _ = rig.end(a, at: 5_001)
        #expect(rig.send(.rearmed(a, .path), at: 6_000) == ["a hears again", "check a start 0"])
        #expect(rig.send(.rearmed(a, .path), at: 6_000) == [])
        #expect(rig.send(.deafened(a, .path, reason: "gone"), at: 6_001) == ["a is deaf, polled"])
    }

    @Test("G9: after deafness the interval goes on as if nothing had been")
    func intervalGoesOn() {
        var rig = Rig { $0.interval = .seconds(7) }
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 1_000)
        #expect(rig.status(a, at: 1_000).nextInterval == Rig.instant(6_000))
        #expect(rig.next().first == "at 6000")
        _ = rig.end(a, at: 6_001)
        #expect(rig.next().first == "at 11000", "not at 7000 as well")
        _ = rig.end(a, at: 11_001)
        _ = rig.send(.rearmed(a, .path), at: 13_500)
        _ = rig.end(a, at: 13_501)
        #expect(rig.next() == ["at 14000", "check a interval 0"])
    }

    @Test("G9: a module that hears again is checked again even if it is being checked just now")
    func rearmedDuringRun() {
        var rig = Rig { $0.interval = nil }
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 0)
        #expect(rig.send(.requested(a), at: 1) == ["check a request 0"])
        #expect(rig.send(.rearmed(a, .path), at: 2) == ["a hears again"])
        #expect(rig.end(a, at: 3).last == "check a start 0")
    }

    @Test("G9: a poll that comes during a run is not made up, another attempt to watch is")
    func pollDuringRun() {
        var rig = Rig()
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 0)
        _ = rig.send(.path(a), at: 4_999)
        #expect(rig.next() == ["at 5000", "rearm a"])
        #expect(rig.end(a, at: 6_000).last == "conclude a exit code 1")
        #expect(rig.next() == ["at 10000", "rearm a", "check a interval 0"])
    }

    @Test("G9: while a deaf module is paused it is tried again to watch, and nothing is run")
    func pausedAndDeaf() {
        var rig = Rig()
        _ = rig.send(.paused(a, until: nil), at: 0)
        #expect(
            rig.send(.deafened(a, .path, reason: "no watch left"), at: 0) == ["a is deaf, polled"])
        #expect(rig.next() == ["at 5000", "rearm a"])
        #expect(rig.status(a, at: 5_000).phase == .paused)
        #expect(rig.send(.rearmed(a, .path), at: 5_000) == ["a hears again"])
        #expect(rig.send(.resumed(a), at: 6_000) == ["check a request 0"])
    }

    @Test("G9: attempts that were missed are not made up")
    func missedAttemptsAreSkipped() {
        var rig = Rig()
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 0)
        #expect(rig.send(.elapsed, at: 17_000) == ["rearm a", "check a interval 0"])
        _ = rig.end(a, at: 17_001)
        #expect(rig.next().first == "at 20000")
    }

    @Test("G9: polls do not shorten the back-off of a check that cannot be started")
    func backOffIsKept() {
        var rig = Rig()
        _ = rig.send(.started, at: 0)
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 0)
        _ = rig.send(.unable(a, reason: "no exec"), at: 0)
        for time in [1_000, 3_000] {
            #expect(rig.next() == ["at \(time)", "check a start 0"])
            _ = rig.send(.unable(a, reason: "no exec"), at: time)
        }
        #expect(rig.next() == ["at 5000", "rearm a"])
        #expect(rig.next() == ["at 7000", "check a start 0"])
        _ = rig.send(.unable(a, reason: "no exec"), at: 7_000)
        #expect(rig.next() == ["at 10000", "rearm a"])
        #expect(rig.next() == ["at 15000", "rearm a", "check a start 0"])
    }

    @Test(
        "G9: a disabled or failed module is never deaf",
        arguments: [Policy.Standing.disabled, .failed(reason: "writable")])
    func othersAreNeverDeaf(standing: Policy.Standing) {
        var rig = Rig { $0.standing = standing }
        #expect(rig.send(.deafened(a, .path, reason: "no watch left"), at: 0) == [])
        #expect(rig.send(.rearmed(a, .path), at: 0) == [])
        #expect(rig.status(a, at: 0).deafness == nil)
        #expect(rig.next() == [])
    }

    @Test("G9: a daemon that ends tries nothing again")
    func endingDaemonIsIndifferent() {
        var rig = Rig(2)
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 0)
        _ = rig.send(.requested(b), at: 1_000)
        _ = rig.send(.exited(b, .exited(0)), at: 1_001)
        _ = rig.send(.stopped, at: 4_000)
        #expect(rig.send(.deafened(b, .path, reason: "no watch left"), at: 4_000) == [])
        #expect(rig.send(.elapsed, at: 5_000) == [])
        #expect(rig.send(.rearmed(a, .path), at: 5_001) == [])
        #expect(rig.next() == ["at 9000", "terminate b"])
    }

    @Test("G9: a deaf module is degraded, unless there is worse or more urgent to say")
    func degradedPhase() {
        var rig = Rig { $0.settle = .seconds(1) }
        _ = rig.send(.deafened(a, .path, reason: "no watch left"), at: 0)
        #expect(rig.status(a, at: 0).phase == .degraded)
        _ = rig.send(.path(a), at: 1)
        #expect(rig.status(a, at: 1).phase == .degraded, "though it settles")
        _ = rig.send(.requested(a), at: 2)
        #expect(rig.status(a, at: 2).phase == .checking)
        _ = rig.send(.unable(a, reason: "no exec"), at: 3)
        #expect(rig.status(a, at: 3).phase == .failed)
        _ = rig.send(.paused(a, until: nil), at: 4)
        #expect(rig.status(a, at: 4).phase == .paused)
        _ = rig.send(.resumed(a), at: 5)
        _ = rig.end(a, 77, at: 6)
        #expect(rig.status(a, at: 6).phase == .degraded, "though its check errs")
        _ = rig.send(.rearmed(a, .path), at: 7)
        _ = rig.end(a, at: 8)
        #expect(rig.status(a, at: 8).phase == .idle)
        #expect(rig.status(a, at: 8).deafness == nil)
    }

    @Test("G9: each cause of deafness is told, once, and the end when none is left")
    func secondCause() {
        var rig = Rig()
        #expect(
            rig.send(.deafened(a, .path, reason: "no watch left"), at: 0) == ["a is deaf, polled"])
        #expect(
            rig.send(.deafened(a, .journal, reason: "gone"), at: 1) == ["a is deaf, polled"])
        #expect(rig.send(.deafened(a, .journal, reason: "still gone"), at: 2) == [])
        #expect(rig.send(.deafened(a, .path, reason: "no watch left"), at: 3) == [])
        #expect(rig.status(a, at: 3).deafness?.reason == "no watch left; still gone")
        #expect(rig.send(.rearmed(a, .path), at: 4) == ["check a start 0"])
        #expect(rig.send(.rearmed(a, .journal), at: 5) == ["a hears again"])
    }

    @Test("G9: what triggers alone cause is not checked when it hears again, unless it has a path")
    func triggersAlone() {
        for (hasPath, checks) in [(false, []), (true, ["check a start 0"])] {
            var rig = Rig {
                $0.interval = nil
                $0.isCheckedAtStart = hasPath
            }
            #expect(rig.send(.deafened(a, .journal, reason: "gone"), at: 0) == ["a is deaf"])
            #expect(rig.send(.rearmed(a, .journal), at: 1) == ["a hears again"] + checks)
            #expect(rig.status(a, at: 1).deafness == nil)
        }
    }
}
