// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("The decoder")
struct TOMLDecoderTests {
    /// One entry a line, values in column 10.
    static func table(_ entries: [(String, TOMLValue.Content)]) -> TOMLTable {
        TOMLTable(
            entries.enumerated().map { index, entry in
                TOMLTable.Entry(
                    key: entry.0, position: SourcePosition(line: index + 1, column: 1),
                    value: TOMLValue(entry.1, at: SourcePosition(line: index + 1, column: 10)))
            })
    }

    @Test("complains in the order of the source, whatever the order of asking") func order() {
        var decoder = TOMLDecoder(
            Self.table([("c", .date), ("b", .float(1)), ("zzzzz", .integer(1)), ("a", .array([]))]),
            file: "f")
        var flag = true
        decoder.read("a", .boolean, into: &flag)
        decoder.read("b", .boolean, into: &flag)
        decoder.read("c", .boolean, into: &flag)
        #expect(
            decoder.diagnostics().map(\.description) == [
                "f:1:10: 'c' must be true or false, not a date or time",
                "f:2:10: 'b' must be true or false, not a float",
                "f:3:1: unknown key 'zzzzz'; known here: a, b, c",
                "f:4:10: 'a' must be true or false, not an array",
            ])
        #expect(flag)
    }

    @Test("names keys in tables by their whole path") func nested() {
        let inner = Self.table([("lvel", .integer(1))])
        var decoder = TOMLDecoder(Self.table([("log", .table(inner))]), file: "f")
        var level = 0
        decoder.readTable("log") { $0.read("level", .integer(in: 1...9), into: &level) }
        #expect(
            decoder.diagnostics().map(\.description) == [
                "f:1:1: unknown key 'log.lvel'; did you mean 'log.level'?"
            ])
    }

    @Test("shows what is hostile in a key harmlessly") func hostileKey() {
        let key = "a\u{1B}[2J\nfake" + String(repeating: "x", count: 1000)
        let decoder = TOMLDecoder(Self.table([(key, .date)]), file: "f")
        let messages = decoder.diagnostics().map(\.message)
        #expect(messages.count == 1)
        #expect(messages[0].hasPrefix(#"unknown key 'a\u{1b}[2J\u{a}fakexxx"#))
        #expect(messages[0].utf8.count < 120)
    }
}
