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
        let text = Array("one\ntwo\n\nfo".utf8)
        func feed(_ bytes: ArraySlice<UInt8>, _ limit: Int) -> Int {
            splitter.feed(bytes, atMost: limit) {
                lines.append(String(decoding: $0, as: UTF8.self))
            }
        }
        #expect(feed(text[...], 0) == 0)
        #expect(feed(text[...], 2) == 8)
        #expect(lines == ["one", "two"])
        #expect(feed(text[8...], 5) == 3)
        #expect(feed(Array("ur\n".utf8)[...], 5) == 3)
        #expect(lines == ["one", "two", "", "four"])
    }
}
