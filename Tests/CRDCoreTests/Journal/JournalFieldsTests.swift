// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

/// An entry's sender chooses its fields, how often each comes, and how long they are (G15).
@Suite("What is kept of an entry")
struct JournalFieldsTests {
    private func fields(_ count: Int, of name: String, _ size: Int) -> JournalFields {
        var fields = JournalFields()
        let datum = Array("\(name)=".utf8) + [UInt8](repeating: 0x61, count: size)
        for _ in 0..<count { datum.withUnsafeBytes { fields.append($0) } }
        return fields
    }

    @Test("is bounded however often a field comes", arguments: ["MESSAGE", "OTHER"])
    func repeated(name: String) {
        let kept = fields(900, of: name, 60_000)
        #expect(kept.size < 2 * JournalFields.sizeMax, "\(kept.size)")
        #expect(kept.truncated.contains(name))
    }

    @Test("is bounded however many small fields there are")
    func small() {
        let kept = fields(1_000, of: "SMALL", 1_024)
        #expect(kept.size < 1_000 * 1_024)
        #expect(kept.truncated.contains("SMALL"))
    }

    @Test("includes the whole first message and all small fields")
    func ordinary() {
        let message = fields(1, of: "MESSAGE", JournalFields.valueMax)
        #expect(message.first("MESSAGE")?.count == JournalFields.valueMax)
        #expect(message.truncated.isEmpty)
        #expect(fields(100, of: "SMALL", 1_000).truncated.isEmpty)
    }
}
