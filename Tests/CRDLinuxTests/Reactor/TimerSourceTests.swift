// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

@Suite("TimerSource", .timeLimit(.minutes(10)))
struct TimerSourceTests {
    private let reactor: Reactor
    private let timer: TimerSource

    init() throws {
        reactor = try Reactor()
        timer = try TimerSource()
        _ = try reactor.add(timer)
    }

    /// How often the deadline came.
    private func elapsed(within span: Duration) throws -> Int {
        try reactor.turn(for: span).events.filter(\.isElapsed).count
    }

    private func waitForOne() throws {
        let history = try reactor.turn { !$0.events.isEmpty }
        #expect(history.events.filter(\.isElapsed).count == 1)
    }

    @Test("tells a deadline once, and not before it") func once() throws {
        let deadline = Clock.now + .milliseconds(30)
        try timer.arm(deadline)
        try waitForOne()
        #expect(Clock.now >= deadline)
        #expect(try elapsed(within: .milliseconds(50)) == 0)
    }

    @Test(
        "tells a deadline that is over at once",
        arguments: [
            Instant(nanoseconds: .min), Instant(nanoseconds: -1), Instant(nanoseconds: 0),
            Instant(nanoseconds: 1), Instant(nanoseconds: 1_000_000_000),
        ])
    func past(deadline: Instant) throws {
        try timer.arm(deadline)
        try waitForOne()
    }

    @Test("tells the same deadline again when it is set again") func same() throws {
        let deadline = Clock.now
        for _ in 0..<3 {
            try timer.arm(deadline)
            try waitForOne()
        }
    }

    @Test("takes an earlier deadline, and a later one") func rearm() throws {
        try timer.arm(Clock.now + .seconds(1_000))
        try timer.arm(Clock.now + .milliseconds(10))
        try waitForOne()
        try timer.arm(Clock.now + .milliseconds(10))
        try timer.arm(Clock.now + .seconds(1_000))
        #expect(try elapsed(within: .milliseconds(50)) == 0)
    }

    @Test(
        "is silent without a deadline, or with one beyond all time",
        arguments: [nil, Instant(nanoseconds: .max)])
    func disarmed(deadline: Instant?) throws {
        try timer.arm(Clock.now + .milliseconds(10))
        try timer.arm(deadline)
        #expect(try elapsed(within: .milliseconds(50)) == 0)
    }
}
