// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

/// A module prints what it likes; the log is everybody's (G15).
@Suite("A module's share of the log")
struct LogAllowanceTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private var allowance = LogAllowance()
    /// Lines of 1,000 bytes.
    private let inOneGo = LogAllowance.burst / (1_000 + LogAllowance.costOfLine)

    private mutating func pass(_ count: Int, at now: Instant) -> Int {
        (0..<count).count { _ in
            if case .pass = allowance.admit(1_000, at: now) { true } else { false }
        }
    }

    @Test("so much at once, however it is spread over the lines")
    mutating func burst() {
        #expect(pass(inOneGo, at: start) == inOneGo)
        #expect(allowance.admit(1_000, at: start) == .drop(isFirst: true))
        #expect(allowance.admit(1_000, at: start) == .drop(isFirst: false))
        var empty = LogAllowance()
        let lines = LogAllowance.burst / LogAllowance.costOfLine
        #expect(
            (0..<lines + 9).count { _ in empty.admit(0, at: start) == .pass(missing: 0) } == lines)
    }

    @Test("and then so much a second, not line by line, with a count of what is missing")
    mutating func rate() {
        _ = pass(inOneGo + 5, at: start)
        let pause = LogAllowance.leastAfterPause / LogAllowance.rate
        #expect(pass(1, at: start + .seconds(pause - 1)) == 0)
        #expect(allowance.admit(1_000, at: start + .seconds(pause)) == .pass(missing: 6))
        // From here on, a minute of a flood.
        let passed = (0..<60_000).reduce(0) { $0 + pass(1, at: start + .milliseconds($1)) }
        let expected = 60 * LogAllowance.rate / (1_000 + LogAllowance.costOfLine)
        #expect((expected * 9 / 10...expected * 11 / 10).contains(passed), "\(passed)")
    }

    @Test("all lines are dropped from the first one on until there is room again")
    mutating func all() {
        #expect(allowance.dropsAll(at: start) == false)
        _ = pass(inOneGo, at: start)
        #expect(allowance.dropsAll(at: start) == false)
        _ = pass(1, at: start)
        #expect(allowance.dropsAll(at: start) == true)
        allowance.drop(7)
        let later = start + .seconds(LogAllowance.leastAfterPause / LogAllowance.rate)
        #expect(allowance.dropsAll(at: later) == false)
        #expect(allowance.admit(1_000, at: later) == .pass(missing: 8))
    }

    @Test("after a rest there is as much as at first, and no more")
    mutating func rest() {
        _ = pass(inOneGo + 5, at: start)
        #expect(pass(inOneGo + 5, at: start + .seconds(100_000)) == inOneGo)
    }

    @Test("what is missing is told at the end of a run, once a minute")
    mutating func ends() {
        #expect(allowance.passDropped(at: start) == 0)
        _ = pass(inOneGo + 5, at: start)
        #expect(allowance.passDropped(at: start) == 5)
        _ = pass(3, at: start)
        #expect(allowance.passDropped(at: start + .seconds(59)) == 0)
        #expect(allowance.passDropped(at: start + .seconds(60)) == 3)
    }
}
