// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite struct InstantTests {
    @Test(
        "Adding and measuring undo each other",
        arguments: [Duration.zero, .nanoseconds(1), .seconds(-3), .seconds(86_400 * 365 * 100)])
    func roundTrip(duration: Duration) {
        let start = Instant(nanoseconds: 7)
        #expect(start.duration(to: start + duration) == duration)
        #expect((start + duration < start) == (duration < .zero))
    }

    @Test("What is below a nanosecond is cut off")
    func attosecondsAreCut() {
        #expect(
            Duration(secondsComponent: 1, attosecondsComponent: 999_999_999).nanoseconds
                == 1_000_000_000)
    }
}
