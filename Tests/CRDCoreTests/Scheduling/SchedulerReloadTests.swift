// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("Scheduler: reload")
struct SchedulerReloadTests {
    private let a = ModuleID(0)
    private let b = ModuleID(1)
    private let c = ModuleID(2)

    private func reload(
        _ changes: [(ModuleID, Policy)] = [], removed: [ModuleID] = [], slots: Int = 4,
        isEdited: Bool = true
    ) -> Event {
        var reload = Reload(slots: slots)
        reload.changes = changes.map { .init($0, $1, isEdited: isEdited) }
        reload.removed = removed
        return .reloaded(reload)
    }

    @Test("G11: new modules are checked at once, in name order, others are left alone")
    func added() {
        var rig = Rig(1)
        rig.learn(["c", "b"])
        #expect(
            rig.send(reload([(b, .named("c")), (c, .named("b"))]), at: 1_000)
                == ["check b start 0", "check c start 0"])
        #expect(rig.status(a, at: 1_000).phase == .idle)
        _ = rig.end(b, at: 1_000)
        _ = rig.end(c, at: 1_000)
        // Due together, b and c go in name order; a was there before and keeps its own time.
        #expect(rig.next() == ["at 30000", "check a interval 0"])
        #expect(rig.next() == ["at 31000", "check b interval 0", "check c interval 0"])
    }

    @Test("G11: a run under way goes on by what it was started with") func duringRun() {
        var rig = Rig(1) { $0.conditionCodes = [0] }
        _ = rig.send(.started, at: 0)
        let changed = Policy.named("a") {
            $0.conditionCodes = [7]
            $0.clearCodes = [0]
            $0.timeouts = [.check: .milliseconds(1), .response: .milliseconds(1)]
            $0.grace = .zero
        }
        #expect(rig.send(reload([(a, changed)]), at: 100) == [])
        // 0 still means that the condition holds, and the old timeout applies.
        #expect(rig.send(.exited(a, .exited(0)), at: 200) == ["kill a", "response a"])
        #expect(rig.scheduler.slotsInUse == 1)
        #expect(rig.send(.exited(a, .exited(0)), at: 15_000) == ["clear a terminate"])
        #expect(
            rig.send(.emptied(a), at: 15_000)
                == ["conclude a exit code 0", "check a start 0"])
        #expect(rig.send(.exited(a, .exited(7)), at: 15_000) == ["kill a", "response a"])
    }

    @Test("G11: what was removed while it runs goes when that has ended, or comes back")
    func removedDuringRun() {
        var rig = Rig(1)
        _ = rig.send(.started, at: 0)
        #expect(rig.send(reload(removed: [a]), at: 100) == [])
        #expect(rig.send(.path(a), at: 100) == [])
        #expect(rig.send(.exited(a, .exited(1)), at: 200) == ["clear a kill"])
        #expect(rig.send(.emptied(a), at: 200) == ["conclude a exit code 1", "forget a"])
        #expect(rig.next() == [])
        // Events that still name it mean nothing.
        #expect(rig.send(.path(a), at: 300) == [])
        #expect(rig.send(.requested(a), at: 300) == [])
        #expect(rig.send(.rearmed(a, .path), at: 300) == [])

        #expect(rig.send(reload([(a, .named("new"))]), at: 400) == ["check a start 0"])
        #expect(rig.send(reload(removed: [a]), at: 500) == [])
        #expect(rig.send(reload([(a, .named("new"))]), at: 600) == [])
        #expect(rig.send(.exited(a, .exited(1)), at: 700) == ["clear a kill"])
        #expect(
            rig.send(.emptied(a), at: 700) == ["conclude a exit code 1", "check a start 0"])
    }

    @Test("G2: what is pending stays so when a module changes, and is served")
    func pending() {
        var rig = Rig(1) { $0.settle = .seconds(10) }
        _ = rig.send(.path(a), at: 0)
        _ = rig.send(.path(a), at: 1)
        #expect(
            rig.send(reload([(a, .named("a") { $0.settle = .seconds(1) })], isEdited: false), at: 2)
                == [])
        #expect(rig.status(a, at: 2).pendingCount == 2)
        #expect(rig.next() == ["at 1001", "check a path 2"])
    }

    @Test("of a period that has changed, what has passed counts; another goes on") func intervals()
    {
        var rig = Rig(2)
        let same = Policy.named("a") { $0.settle = .seconds(1) }
        let sooner = Policy.named("b") { $0.interval = .seconds(22) }
        #expect(rig.send(reload([(a, same), (b, sooner)], isEdited: false), at: 20_000) == [])
        #expect(rig.next() == ["at 22000", "check b interval 0"])
        _ = rig.end(b, at: 22_000)
        #expect(
            rig.send(reload([(b, .named("b") { $0.interval = nil })], isEdited: false), at: 23_000)
                == [])
        #expect(rig.next() == ["at 30000", "check a interval 0"])
    }

    @Test("a module that is switched off forgets what waits; one that failed is well again")
    func standing() {
        var rig = Rig(1) { $0.settle = .seconds(5) }
        _ = rig.send(.path(a), at: 0)
        #expect(rig.send(reload([(a, .named("a") { $0.standing = .disabled })]), at: 1) == [])
        #expect(rig.status(a, at: 1).pendingCount == 0)
        #expect(rig.next() == [])
        #expect(rig.send(reload([(a, .named("a"))]), at: 2) == ["check a start 0"])
        _ = rig.end(a, at: 2)
        let failed = Policy.named("a") { $0.standing = .failed(reason: "broken") }
        #expect(rig.send(reload([(a, failed)]), at: 3) == [])
        #expect(rig.status(a, at: 3).health == .failed(reason: "broken"))
        #expect(rig.send(reload([(a, .named("a"))]), at: 4) == ["check a start 0"])
        #expect(rig.status(a, at: 4).health == .well)
    }

    @Test("G4: fewer slots hold for what starts from then on") func slots() {
        var rig = Rig(3, slots: 3)
        _ = rig.send(.started, at: 0)
        #expect(rig.send(reload(slots: 1), at: 1) == [])
        for module in [a, b] { #expect(!rig.end(module, at: 2).joined().contains("check")) }
        _ = rig.send(.path(a), at: 3)
        #expect(rig.end(c, at: 4).last == "check a path 1")
        _ = rig.send(.path(b), at: 5)
        #expect(rig.send(reload(slots: 2), at: 6) == ["check b path 1"])
    }

    @Test("an executable that is being written is waited for, without a word for half a minute")
    func notReady() {
        var rig = Rig(1)
        _ = rig.send(.path(a), at: 0)
        for second in 1...30 {
            let now = (second - 1) * 1_000
            #expect(rig.send(.notReady(a, reason: "busy"), at: now) == [])
            #expect(rig.next() == ["at \(second * 1_000)", "check a path 1"])
        }
        #expect(rig.send(.notReady(a, reason: "busy"), at: 30_000) == ["report a failed"])
        #expect(rig.next() == ["at 31000", "check a path 1"])
        #expect(rig.end(a, at: 31_000).contains("report a well"))
    }

    @Test("G1: where a response is being written, its check runs again, with the same events")
    func responseNotReady() {
        var rig = Rig(1)
        _ = rig.send(.path(a), at: 0)
        #expect(rig.send(.exited(a, .exited(0)), at: 1) == ["kill a", "response a"])
        #expect(rig.send(.notReady(a, reason: "busy"), at: 1) == ["clear a kill"])
        #expect(rig.send(.emptied(a), at: 1) == ["conclude a exit code 0"])
        #expect(rig.next() == ["at 1001", "check a path 1"])
    }

    @Test("a check that could not be started is tried at once when its files have changed")
    func forgiven() {
        var rig = Rig(1) {
            $0.interval = nil
            $0.isCheckedAtStart = false
        }
        _ = rig.send(.path(a), at: 0)
        _ = rig.send(.unable(a, reason: "no"), at: 0)
        _ = rig.next()
        _ = rig.send(.unable(a, reason: "no"), at: 1_000)
        let changed = Policy.named("a") {
            $0.interval = nil
            $0.isCheckedAtStart = false
        }
        #expect(rig.send(reload([(a, changed)]), at: 1_500) == ["check a path 1"])
    }
}
