// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("Timestamp")
struct TimestampTests {
    @Test(
        "is RFC 3339 in UTC with microseconds, cut and not rounded",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"),
            (999, "1970-01-01T00:00:00.000000Z"),
            (1_000, "1970-01-01T00:00:00.000001Z"),
            (999_999_999, "1970-01-01T00:00:00.999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_795_392_542_000_050_000, "2026-11-23T00:09:02.000050Z"),
            (Int64.max, "2262-04-11T23:47:16.854775Z"),
        ])
    func form(nanoseconds: Int64, text: String) {
        #expect(Timestamp.rfc3339(nanosecondsSince1970: nanoseconds) == text)
    }
}
