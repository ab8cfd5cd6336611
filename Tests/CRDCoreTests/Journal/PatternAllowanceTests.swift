// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("G15: what a pattern may take of everybody's time")
struct PatternAllowanceTests {
    private static let start = Instant(nanoseconds: 7_000_000_000)

    @Test("the third line within a minute that exceeds the limit suspends it for a minute")
    func exceeded() {
        var allowance = PatternAllowance()
        func isSuspended(_ now: Instant) -> Bool { allowance.isSuspended(at: now) }
        let start = Self.start
        let limit = Duration.milliseconds(5)
        for second in [0, 20] {
            let cause = allowance.charge(limit, hasExceeded: true, at: start + .seconds(second))
            #expect(cause == nil)
        }
        #expect(!isSuspended(start + .seconds(59)))
        let cause = allowance.charge(limit, hasExceeded: true, at: start + .seconds(59))
        #expect(cause == .exceeded(3))
        #expect(isSuspended(start + .seconds(60)))
        #expect(isSuspended(start + .seconds(118)))
        #expect(!isSuspended(start + .seconds(119)))
        // All over again.
        for second in 120..<122 {
            let again = allowance.charge(limit, hasExceeded: true, at: start + .seconds(second))
            #expect(again == nil)
        }
        let again = allowance.charge(limit, hasExceeded: true, at: start + .seconds(122))
        #expect(again == .exceeded(3))
    }

    @Test("lines that exceed it now and then are what they always were")
    func seldom() {
        var allowance = PatternAllowance()
        func isSuspended(_ now: Instant) -> Bool { allowance.isSuspended(at: now) }
        for count in 0..<100 {
            let now = Self.start + .seconds(31 * count)
            #expect(!isSuspended(now))
            let cause = allowance.charge(.milliseconds(5), hasExceeded: true, at: now)
            #expect(cause == nil)
        }
    }

    @Test("so do lines that stay just below it, once they have taken enough together")
    func slow() {
        var allowance = PatternAllowance()
        func isSuspended(_ now: Instant) -> Bool { allowance.isSuspended(at: now) }
        for count in 1..<25 {
            let now = Self.start + .milliseconds(count)
            let cause = allowance.charge(.milliseconds(4), hasExceeded: false, at: now)
            #expect(cause == nil)
        }
        let cause = allowance.charge(.milliseconds(4), hasExceeded: false, at: Self.start)
        #expect(cause == .slow(25))
        #expect(isSuspended(Self.start + .seconds(59)))
    }

    @Test("an honest pattern may take all the time there is")
    func honest() {
        var allowance = PatternAllowance()
        func isSuspended(_ now: Instant) -> Bool { allowance.isSuspended(at: now) }
        for _ in 0..<10_000 {
            let cause = allowance.charge(.microseconds(900), hasExceeded: false, at: Self.start)
            #expect(cause == nil)
        }
        #expect(!isSuspended(Self.start))
    }
}
