// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

/// A module whose own runs trigger it, and all other modules.
@Suite("G10: A module that triggers itself")
struct SelfTriggerTests {
    private let a = ModuleID(0)

    private func event(_ text: String = "{}", age: Duration = .zero, isForeign: Bool = false)
        -> Event
    {
        var event = TriggerEvent.named(text)
        (event.age, event.isForeign) = (age, isForeign)
        return .triggered(a, event)
    }

    /// Each run takes 10 ms, and causes an event.
    ///
    /// - Returns: the start times of checks until `end`; all other commands.
    private func loop(_ rig: inout Rig, until end: Int) -> (starts: [Int], told: [String]) {
        var starts: [Int] = []
        var told: [String] = []
        var now = 0
        var commands = rig.send(event(), at: 0)
        while now < end {
            if commands.contains(where: { $0.hasPrefix("check") }) {
                starts.append(now)
                _ = rig.send(event(), at: now + 5)
                commands = rig.end(a, at: now + 10)
                told += commands.filter { $0.contains("itself") }
                now += 10
            } else {
                var deadline: Instant?
                rig.withScheduler { deadline = $0.nextDeadline }
                guard let deadline, deadline < Rig.instant(end) else { break }
                now = Int(deadline.nanoseconds / 1_000_000)
                commands = rig.send(.elapsed, at: now)
            }
        }
        return (starts, told)
    }

    @Test("runs ever more seldom, down to its interval, and is told once")
    func growingPauses() {
        var rig = Rig { $0.isCheckedAtStart = false }
        let (starts, told) = loop(&rig, until: 200_000)
        // One extra run is normal; then 200 ms, 400 ms and so on, up to the 30 s of the interval.
        #expect(
            starts.prefix(10) == [
                0, 10, 20, 230, 640, 1_450, 3_060, 6_270, 12_680, 25_490,
            ])
        let late = starts.filter { $0 > 60_000 }
        #expect(late.count <= 140 / 30 + 1, "\(starts)")
        #expect(told == ["a triggers itself 5"])
    }

    @Test("waits no longer than crd.conf's interval where it has none") func noInterval() {
        var rig = Rig {
            $0.interval = nil
            $0.fallbackInterval = .seconds(2)
        }
        let (starts, _) = loop(&rig, until: 60_000)
        #expect(starts.filter { $0 > 10_000 }.count >= 20, "\(starts)")
    }

    @Test("is answered at once when something else happens, and may begin anew")
    func elsewhere() {
        var rig = Rig { $0.isCheckedAtStart = false }
        _ = loop(&rig, until: 13_000)
        // It rests until 25490.
        #expect(rig.send(.elapsed, at: 15_000) == [])
        #expect(rig.send(event(), at: 15_000) == ["check a path 2"])
        _ = rig.send(event(), at: 15_005)
        #expect(rig.end(a, at: 15_010).contains("check a path 1"), "the usual one more")
    }

    @Test("is answered at once by what somebody else is known to have done meanwhile")
    func foreign() {
        var rig = Rig { $0.isCheckedAtStart = false }
        _ = loop(&rig, until: 13_000)
        #expect(rig.send(event(isForeign: true), at: 15_000) == ["check a path 2"])
        _ = rig.send(event(isForeign: true), at: 15_005)
        #expect(rig.end(a, at: 15_010).contains("check a path 1"))
        _ = rig.send(event(isForeign: true), at: 15_015)
        #expect(rig.end(a, at: 15_020).contains("check a path 1"))
    }

    @Test("is known for it also where its doings are told late") func late() {
        var rig = Rig { $0.isCheckedAtStart = false }
        _ = loop(&rig, until: 13_000)
        // Events from during the run of 12680, and from before any run.
        #expect(rig.send(event(age: .milliseconds(2_315)), at: 15_000) == [])
        #expect(rig.send(event(age: .seconds(20)), at: 15_000) == ["check a path 3"])
    }

    @Test("is known by when an event was read, however long the turn took to get to it")
    func lateInTheTurn() {
        var rig = Rig { $0.isCheckedAtStart = false }
        _ = loop(&rig, until: 13_000)
        // The run of 12680 took 10 ms; a turn that starts many processes takes longer.
        #expect(rig.send(event(), at: 13_100, readAt: 12_700) == [])
        #expect(rig.send(event(), at: 13_100, readAt: 12_800) == ["check a path 3"])
    }

    @Test("loses nothing: what waited goes with the next check, whatever that is for")
    func nothingIsLost() {
        var rig = Rig { $0.isCheckedAtStart = false }
        _ = loop(&rig, until: 13_000)
        #expect(rig.status(a, at: 15_000).phase == .cooling)
        #expect(rig.status(a, at: 15_000).pendingCount == 1)
        #expect(rig.send(.requested(a), at: 15_000) == ["check a path 1"])
    }

    @Test("once its files have changed is given another try") func mended() {
        var rig = Rig { $0.isCheckedAtStart = false }
        _ = loop(&rig, until: 13_000)
        var reload = Reload(slots: 4)
        reload.changes = [.init(a, .named("a") { $0.isCheckedAtStart = false }, isEdited: true)]
        #expect(rig.send(.reloaded(reload), at: 15_000) == ["check a path 1"])
    }

    @Test("is none, where each event comes after the run before: however many do")
    func steadyEvents() {
        var rig = Rig { $0.isCheckedAtStart = false }
        for round in 0..<50 {
            let now = round * 100
            #expect(rig.send(event(), at: now) == ["check a path 1"])
            #expect(!rig.end(a, at: now + 10).contains { $0.contains("itself") })
        }
    }
}
