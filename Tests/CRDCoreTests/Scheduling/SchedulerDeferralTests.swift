// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

private let a = ModuleID(0)
private let b = ModuleID(1)

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
