// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("Time spans")
struct TimeSpanTests {
    @Test(
        "are read as systemd.time(7) writes them",
        arguments: [
            ("30s", .seconds(30)), ("5min", .seconds(300)), ("1h 30min", .seconds(5400)),
            ("1h30min", .seconds(5400)), ("200ms", .milliseconds(200)), ("1.5h", .seconds(5400)),
            ("0.25s", .milliseconds(250)), ("45", .seconds(45)), ("1.5", .milliseconds(1500)),
            ("5 s", .seconds(5)), ("  1min\t2s ", .seconds(62)), ("1h 30", .seconds(3630)),
            ("1usec 1us 1µs 1μs", .microseconds(4)), ("1msec 1ms", .milliseconds(2)),
            ("1seconds 1second 1sec 1s", .seconds(4)),
            ("1minutes 1minute 1min 1m", .seconds(240)),
            ("1hours 1hour 1hr 1h", .seconds(14_400)),
            ("1days 1day 1d", .seconds(3 * 86_400)),
            ("1weeks 1week 1w", .seconds(3 * 604_800)),
            ("1months 1month 1M", .seconds(3 * 2_629_800)),
            ("1years 1year 1y", .seconds(3 * 31_557_600)),
            ("0", .zero), ("0.0000001us", .zero), ("292y", .seconds(292 * 31_557_600)),
        ] as [(String, Duration)])
    func reading(text: String, expected: Duration) throws {
        #expect(try TimeSpan(parsing: text).duration == expected)
    }

    @Test(
        "that are none say why",
        arguments: [
            ("", .empty), ("  ", .empty), ("s", .noNumber), ("abc", .noNumber), (".5s", .noNumber),
            ("1.s", .noNumber), ("+5s", .noNumber), ("infinity", .noNumber), ("-5s", .negative),
            ("1h -5s", .negative), ("5parsecs", .unknownUnit("parsecs")),
            ("5S", .unknownUnit("S")), ("1,5s", .unknownUnit(",")), ("1s\0", .unknownUnit("s\0")),
            ("٣s", .noNumber), ("293y", .tooLarge), ("9223372036854775808ms", .tooLarge),
            ("99999999999999999999999999", .tooLarge), ("200y 200y", .tooLarge),
        ] as [(String, QuantityScanner.Malformed)])
    func refusing(text: String, expected: QuantityScanner.Malformed) {
        #expect(throws: expected) { try TimeSpan(parsing: text) }
    }

    @Test(
        "are written as briefly as can be, and read back the same",
        arguments: [
            (.zero, "0s"), (.seconds(90), "1min 30s"), (.milliseconds(1500), "1s 500ms"),
            (.microseconds(7), "7us"), (.seconds(3600), "1h"), (.seconds(7 * 86_400), "1w"),
            (.seconds(31_557_600 + 86_400), "1y 1d"), (.seconds(60), "1min"),
        ] as [(Duration, String)])
    func writing(duration: Duration, expected: String) throws {
        #expect(TimeSpan(duration).description == expected)
        #expect(try TimeSpan(parsing: expected).duration == duration)
    }

    @Test("below nought are written with a sign") func negative() {
        #expect(TimeSpan(.seconds(-90)).description == "-1min 30s")
    }
}
