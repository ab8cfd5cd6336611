// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

@Suite("TOML text")
struct TOMLDocumentTests {
    private func complaint(about bytes: [UInt8]) -> String? {
        do throws(Diagnostic) {
            _ = try TOMLDocument.parse(bytes, file: "f")
            return nil
        } catch {
            return error.description
        }
    }

    @Test("keeps every value with its place, in the order of the source") func tree() throws {
        let text = """
            z = "s"
            y = -3
            x = 1.5
            w = true
            v = [1979-05-27T07:32:00Z, 'é']
            [u]
            a.b = 07:32:00
            """
        func at(_ line: Int, _ column: Int) -> SourcePosition {
            SourcePosition(line: line, column: column)
        }
        func entry(_ key: String, _ line: Int, _ content: TOMLValue.Content) -> TOMLTable.Entry {
            .init(key: key, position: at(line, 1), value: TOMLValue(content, at: at(line, 5)))
        }
        let b = TOMLTable.Entry(key: "b", position: at(7, 3), value: TOMLValue(.date, at: at(7, 7)))
        let a = TOMLTable.Entry(
            key: "a", position: at(7, 1), value: TOMLValue(.table(TOMLTable([b])), at: at(7, 1)))
        let expected = TOMLTable([
            entry("z", 1, .string("s")), entry("y", 2, .integer(-3)), entry("x", 3, .float(1.5)),
            entry("w", 4, .boolean(true)),
            entry(
                "v", 5,
                .array([TOMLValue(.date, at: at(5, 6)), TOMLValue(.string("é"), at: at(5, 28))])),
            .init(
                key: "u", position: at(6, 2),
                value: TOMLValue(.table(TOMLTable([a])), at: at(6, 1))),
        ])
        #expect(try TOMLDocument.parse(Array(text.utf8), file: "f") == expected)
    }

    @Test(
        "may have other line ends, a byte order mark, and dots where they name nothing",
        arguments: [
            "a = 1\r\nb = 2\r\n", "\u{FEFF}a = 1\nb = 2", "b = 2\na = 1 # \(dotted(100))",
            "a = 1\nb = 2\nc = \"\(dotted(100))\"",
            "a = 1\nb = 2\nc = '\\'\nd = '\(dotted(100))'",
            "a = 1\nb = 2\nc = \"\"\"\n\\\"\"\"\(dotted(100))\"\"\"\"\"\nd = 1.5",
            "a = 1\nb = 2\nc = [\(String(repeating: "1.5, ", count: 100))]",
        ])
    func accepting(text: String) throws {
        let root = try TOMLDocument.parse(Array(text.utf8), file: "f")
        #expect(root["a"]?.value.content == .integer(1))
        #expect(root["b"]?.value.content == .integer(2))
    }

    @Test(
        "that is none is refused where it goes wrong",
        arguments: [
            (
                "a = 1\nb = \nc = 3",
                "2:5: not valid TOML: key-value pair: expected value, saw '\\n'"
            ),
            ("a = \"x", "1:7: not valid TOML: string: encountered end-of-file"),
            (
                "a = 1\na = 2",
                "2:5: not valid TOML: key-value pair: cannot redefine existing integer 'a'"
            ),
            ("[a]\n[a]", "2:1: not valid TOML: table header: cannot redefine existing table 'a'"),
            (
                "a = 1\n[a]",
                "2:1: not valid TOML: table header: cannot redefine existing integer 'a' as table"
            ),
            (
                "a = 9223372036854775808",
                "1:24: not valid TOML: decimal integer: '9223372036854775808' "
                    + "is not representable in 64 bits"
            ),
            (
                "a = 1 b = 2",
                "1:7: not valid TOML: key-value pair: expected a comment or whitespace, saw 'b'"
            ),
            (
                "a = \"\\uD800\"",
                "1:12: not valid TOML: unicode scalar sequence: "
                    + "unicode surrogates (U+D800 - U+DFFF) are explicitly prohibited"
            ),
            (
                "a = 1979-13-01",
                "1:12: not valid TOML: date: expected month between 1 and 12 (inclusive), saw 13"
            ),
            ("interval: 5", "1:9: not valid TOML: key-value pair: expected '=', saw ':'"),
            (
                #"a = "died \d+""#,
                #"1:12: not valid TOML: string: unknown escape sequence '\d'; in double quotes a "#
                    + "backslash begins an escape sequence: write a pattern in single quotes, such "
                    + #"as '\d+', or each backslash twice"#
            ),
            // What toml++ 3.3 gets wrong on its own.
            (
                "[.a]",
                "1:2: not valid TOML: key: expected bare key starting character or string "
                    + "delimiter, saw '.'"
            ),
            ("a = é", "1:5: not valid TOML: value: could not determine value type"),
            (dotted(17) + " = 1", "1:32: not valid TOML: a key has too many parts"),
        ] as [(String, String)])
    func refusing(text: String, expected: String) {
        #expect(complaint(about: Array(text.utf8)) == "f:\(expected)")
    }

    @Test("holds no NUL bytes") func noNUL() {
        #expect(
            complaint(about: Array("a\0 = 1".utf8))
                == "f:1:2: not valid TOML: key-value pair: expected '=', saw '\\u0000'")
        #expect(
            complaint(about: Array("a = \"\0\"".utf8))
                == "f:1:6: not valid TOML: string: unescaped control characters other than TAB "
                + "(U+0009) are explicitly prohibited")
    }

    @Test(
        "that is not UTF-8 is refused",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC3]])
    func notUTF8(tail: [UInt8]) {
        let bytes = Array("a = 1\n# ".utf8) + tail
        #expect(complaint(about: bytes)?.hasPrefix("f:2:") == true)
    }

    @Test(
        "never overflows the stack, however deep it is",
        arguments: [
            "a = " + String(repeating: "[", count: 10_000),
            "a = " + String(repeating: "{a=", count: 10_000),
            dotted(500_000) + "=1", "[" + dotted(500_000) + "]",
            "x = [\"\"\"y\"\"\"\"\", {" + dotted(100_000) + "=1}]",
            "x = { a" + String(repeating: ".'b'", count: 100_000) + "=1}",
        ])
    func deep(text: String) {
        #expect(complaint(about: Array(text.utf8)) != nil)
    }

    @Test("is read up to 1 MiB") func large() throws {
        var bytes = Array("# ".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: (1 << 20) - 2)
        #expect(complaint(about: bytes) == nil)
        bytes.append(UInt8(ascii: "x"))
        #expect(complaint(about: bytes) == "f:1:1: the file is too large; crd reads at most 1MiB")
    }

    /// Goal: no file content ends the daemon.
    /// Method: a valid file with bytes replaced, added and cut off, replayable by its seed.
    @Test("never ends the daemon, whatever it holds", arguments: UInt64(0)..<40)
    func mangled(seed: UInt64) {
        let sound = Array(
            ("\u{FEFF}a.b = [1, 0x1F, 1e3, inf]\r\n[t]\nd = 1979-05-27\n"
                + "e = \"\"\"x\\u00e9\"\"\"\n[[u.v]]\nf={g='é'}").utf8)
        let spice =
            Array("\0\u{1}\"'\\[]{}=.,#\n\r+-_0e:TZ é".utf8) + [0x80, 0xC0, 0xED, 0xF5, 0xFF]
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(below limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(limit))
        }
        for _ in 0..<500 {
            var bytes = sound
            for _ in 0...random(below: 4) where !bytes.isEmpty {
                let index = random(below: bytes.count)
                switch random(below: 3) {
                case 0: bytes[index] = spice[random(below: spice.count)]
                case 1: bytes.insert(spice[random(below: spice.count)], at: index)
                default: bytes.removeLast(random(below: bytes.count - index))
                }
            }
            if let complaint = complaint(about: bytes) {
                #expect(complaint.hasPrefix("f:"), "seed \(seed)")
            }
        }
    }
}

/// A dotted key with that many parts.
private func dotted(_ count: Int) -> String {
    String(repeating: "a.", count: count - 1) + "a"
}
