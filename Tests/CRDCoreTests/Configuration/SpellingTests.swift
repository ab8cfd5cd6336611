// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("The nearest key")
struct SpellingTests {
    static let keys = ["interval", "timeout", "grace", "slots", "output-max", "user"]

    @Test(
        "is suggested when it is near",
        arguments: [
            ("intervall", "interval"), ("itnerval", "interval"), ("INTERVAL", "interval"),
            ("timout", "timeout"), ("output_max", "output-max"), ("outputmax", "output-max"),
            ("slot", "slots"), ("usr", "user"), ("colour", nil), ("x", nil), ("", nil),
        ] as [(String, String?)])
    func suggesting(word: String, expected: String?) {
        #expect(Spelling.nearest(to: word, among: Self.keys) == expected)
    }

    @Test(
        "is measured in slips",
        arguments: [
            ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "acb", 1),
            ("kitten", "sitting", 3), ("ca", "abc", 3),
        ] as [(String, String, Int)])
    func measuring(left: String, right: String, expected: Int) {
        #expect(Spelling.distance(from: Array(left.utf8), to: Array(right.utf8)) == expected)
    }

    @Test("is not looked for in a word without end") func longWord() {
        let word = String(repeating: "a", count: 1 << 20)
        #expect(Spelling.nearest(to: word, among: Self.keys) == nil)
    }
}
