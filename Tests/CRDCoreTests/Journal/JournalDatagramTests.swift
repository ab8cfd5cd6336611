// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("JournalDatagram")
struct JournalDatagramTests {
    @Test("has a value's length in front of it only where it has a line feed")
    func spelling() {
        var entry = JournalDatagram()
        entry.append("MESSAGE", "a=b")
        entry.append("EMPTY", "")
        entry.append("LINES", [UInt8](repeating: UInt8(ascii: "\n"), count: 258))
        var expected = Array("MESSAGE=a=b\nEMPTY=\nLINES\n".utf8)
        expected += [2, 1, 0, 0, 0, 0, 0, 0]
        expected += [UInt8](repeating: 10, count: 258 + 1)
        #expect(entry.bytes == expected)
    }
}

@Suite("LineSplitter")
struct LineSplitterTests {
    @Test("stops after as many lines as it may hand over, and goes on where it stopped")
    func limit() {
        var splitter = LineSplitter()
        var lines: [String] = []
        func feed(_ text: String, _ limit: Int) -> Int {
            Array(text.utf8).withUnsafeBytes {
                splitter.feed($0, atMost: limit) {
                    lines.append(String(decoding: $0, as: UTF8.self))
                }
            }
        }
        #expect(feed("one\ntwo\n\nfo", 0) == 0)
        #expect(feed("one\ntwo\n\nfo", 2) == 8)
        #expect(lines == ["one", "two"])
        #expect(feed("\nfo", 5) == 3)
        #expect(feed("ur\n", 5) == 3)
        #expect(lines == ["one", "two", "", "four"])
    }

    @Test("passes over lines, and begins the next one after the last of them")
    func skip() {
        var splitter = LineSplitter()
        var lines: [String] = []
        func feed(_ text: String) {
            _ = Array(text.utf8).withUnsafeBytes {
                splitter.feed($0) { lines.append(String(decoding: $0, as: UTF8.self)) }
            }
        }
        func skip(_ text: String) -> Int { Array(text.utf8).withUnsafeBytes { splitter.skip($0) } }
        feed("on")
        #expect(skip("e\ntwo\n\nth") == 3)
        #expect(skip("re") == 0)
        feed("e\n")
        #expect(lines == ["three"])
        // Of an endless line, no more than a line's maximum is kept.
        #expect(skip(String(repeating: "x", count: 3 * LineSplitter.lengthMax)) == 0)
        feed("\n")
        #expect(lines.last?.count == LineSplitter.lengthMax - 1)
    }
}
