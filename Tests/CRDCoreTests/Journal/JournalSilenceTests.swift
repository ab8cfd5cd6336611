// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("A journal that nobody writes")
struct JournalSilenceTests {
    private func instant(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("G9: is silent after five seconds, and no sooner") func grace() {
        var silence = JournalSilence()
        #expect(silence.isDue(at: instant(0)))
        #expect(silence.deadline == nil)
        for time in stride(from: Int64(0), to: 5_000, by: 1_000) {
            silence.record(isWritten: false, at: instant(time))
            #expect(!silence.isSilent)
            #expect(silence.deadline == instant(time + 1_000))
            #expect(!silence.isDue(at: instant(time + 999)))
            #expect(silence.isDue(at: instant(time + 1_000)))
        }
        silence.record(isWritten: false, at: instant(5_000))
        #expect(silence.isSilent)
        #expect(silence.deadline == instant(10_000))
    }

    @Test("nothing wakes the machine where somebody writes", arguments: [true, false])
    func written(isAsked: Bool) {
        var silence = JournalSilence()
        silence.record(isWritten: false, at: instant(0))
        silence.record(isWritten: false, at: instant(6_000))
        #expect(silence.isSilent)
        if isAsked { silence.record(isWritten: true, at: instant(7_000)) } else { silence.hear() }
        #expect(!silence.isSilent)
        #expect(silence.deadline == nil)
        // The five seconds start again.
        silence.record(isWritten: false, at: instant(8_000))
        silence.record(isWritten: false, at: instant(12_999))
        #expect(!silence.isSilent)
    }
}
