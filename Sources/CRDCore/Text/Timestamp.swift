// SPDX-License-Identifier: GPL-3.0-or-later

/// Formats points in time for people and JSON.
public enum Timestamp {
    /// Returns RFC 3339 in UTC with microseconds: `2026-11-23T00:09:02.000000Z`.
    public static func rfc3339(nanosecondsSince1970 nanoseconds: Int64) -> String {
        rfc3339(microsecondsSince1970: floored(nanoseconds, by: 1_000).0)
    }

    /// Does the same for microseconds. A 64-bit number of them can reach years of more than four
    /// digits, of which only the last four are written.
    public static func rfc3339(microsecondsSince1970 microseconds: Int64) -> String {
        // Nothing was logged before year 0, but a damaged file may say so.
        let (seconds, rest) = floored(max(microseconds, yearZero), by: 1_000_000)
        let (days, secondOfDay) = floored(seconds, by: 86_400)
        let (year, month, day) = date(daysSince1970: days)
        // Without a formatter, because it runs on the way to a check, for each turn with an event.
        var text: [UInt8] = []
        text.reserveCapacity(27)
        func append(_ value: Int64, _ width: Int, _ end: Unicode.Scalar) {
            var rest = value
            let begin = text.count
            text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: width))
            for place in (begin..<begin + width).reversed() {
                text[place] += UInt8(rest % 10)
                rest /= 10
            }
            text.append(UInt8(ascii: end))
        }
        append(year, 4, "-")
        append(month, 2, "-")
        append(day, 2, "T")
        append(secondOfDay / 3_600, 2, ":")
        append(secondOfDay / 60 % 60, 2, ":")
        append(secondOfDay % 60, 2, ".")
        append(rest, 6, "Z")
        return String(decoding: text, as: UTF8.self)
    }

    /// In microseconds since 1970.
    private static let yearZero: Int64 = -62_167_219_200_000_000

    /// Returns the day in the Gregorian calendar. Years begin with March here, so that the leap day
    /// is their last; 400 of them have 146,097 days.
    private static func date(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // The days from 1 March of the year 0 until 1970.
        let (era, dayOfEra) = floored(daysSince1970 + 719_468, by: 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // From March on, every five months have 153 days.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func floored(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }
}
