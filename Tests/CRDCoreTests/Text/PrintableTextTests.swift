// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("G15: text from anywhere")
struct PrintableTextTests {
    private static let rows: [(text: String, shown: String)] = [
        ("", ""), ("plain", "plain"), ("grün € 😀", "grün € 😀"), ("a\nb", "a?b"), ("a\tb", "a?b"),
        ("a\r\nb", "a??b"), ("\u{1B}[31mred", "?[31mred"), ("\u{9B}2J", "?2J"), ("\u{7F}", "?"),
        ("a\u{202E}b", "a?b"), ("a\u{2028}b", "a?b"), ("a\u{200B}b", "a?b"), ("a\0b", "a?b"),
        ("\u{E0041}", "?"),
    ]

    @Test("makes no other line, and commands no terminal", arguments: rows)
    func one(text: String, shown: String) {
        #expect(PrintableText.of(text) == shown)
        #expect(PrintableText.isPlain(text) == (text == shown))
    }

    @Test("where the lines are our own, they stay")
    func lines() {
        #expect(PrintableText.lines("a\n\tb\r\u{1B}c\n") == "a\n\tb??c\n")
    }

    @Test(
        "a line that a program printed keeps its tabs, and what is no text becomes a sign for that",
        arguments: [
            ("a\tb", "a\tb"), ("a\rb", "a?b"), ("\u{1B}[2Jé", "?[2Jé"), ("\u{9B}1m", "?1m"),
        ])
    func printed(text: String, shown: String) {
        #expect(PrintableText.of(line: Array(text.utf8)) == Array(shown.utf8))
        #expect(PrintableText.of(line: [0x61, 0xFF]) == Array("a\u{FFFD}".utf8))
    }

    @Test(
        "in JSON is escaped, so that it says the same",
        arguments: [
            ("{\n  \"a\" : \"é\"\n}", "{\n  \"a\" : \"é\"\n}"),
            ("\"\u{9B}\u{7F}\u{202E}\"", "\"\\u009b\\u007f\\u202e\""),
            ("\"\u{E0041}\"", "\"\\udb40\\udc41\""),
        ])
    func json(text: String, shown: String) {
        #expect(PrintableText.json(text) == shown)
    }
}
