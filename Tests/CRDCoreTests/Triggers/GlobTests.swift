// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("Patterns for names")
struct GlobTests {
    @Test(
        "are kept as they were written",
        arguments: [
            "*.log", "a?b", "**", "é", "[abc]", "[!abc]", "[^abc]", "[a-z]", "[]]", "[!]]", "[^]a]",
            "[[]", "[[:digit:]]", "[![:alpha:][:digit:]_]", "[[.hyphen.]]", "[[=e=]x]", "[\\]]",
            "[a\\]b]", "[*?]", "]", "a]", "\\[", "\\*", "\\\\", "a b", "-",
        ])
    func sound(pattern: String) throws {
        #expect(try Glob(parsing: pattern).pattern == pattern)
    }

    @Test(
        "are refused where nothing could match, with the reason",
        arguments: [
            ("", "is empty"), ("a\0b", "has a NUL byte"),
            ("a/*.log", "has a slash, but is compared with names, not paths"),
            ("/", "has a slash, but is compared with names, not paths"),
            ("a\\", "ends in a backslash"), ("\\\\\\", "ends in a backslash"),
            ("[", "has a '[' without its ']'"), ("a[bc", "has a '[' without its ']'"),
            ("[]", "has a '[' without its ']'"), ("[!]", "has a '[' without its ']'"),
            ("[^]", "has a '[' without its ']'"), ("[a\\]", "has a '[' without its ']'"),
            ("[a\\", "has a '[' without its ']'"), ("[a][", "has a '[' without its ']'"),
            ("[[:digit:]", "has a '[' without its ']'"), ("[[:digit", "has a '[' without its ']'"),
            ("[[.]", "has a '[' without its ']'"),
            ("[[:digits:]]", "has the unknown class [:digits:]"),
            ("[a[::]]", "has the unknown class [::]"),
        ])
    func malformed(pattern: String, reason: String) {
        #expect {
            try Glob(parsing: pattern)
        } throws: {
            ($0 as? Glob.Malformed)?.reason == reason
        }
    }
}
