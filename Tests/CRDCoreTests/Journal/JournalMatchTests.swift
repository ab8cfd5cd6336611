// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import CRDCore

@Suite("What a module gets to know of a journal entry")
struct JournalMatchTests {
    private static let position = JournalPosition(
        cursor: "s=1;i=2", time: 1_795_392_542_000_050, bootID: "b00t", monotonic: 12, order: 7,
        isInclusive: true)

    private func fields(_ data: [(String, [UInt8])]) -> JournalFields {
        var fields = JournalFields()
        for (name, value) in data {
            (Array("\(name)=".utf8) + value).withUnsafeBytes { fields.append($0) }
        }
        return fields
    }

    private func entry(_ data: [(String, [UInt8])]) -> JournalEntry {
        JournalEntry(
            position: Self.position, fields: fields(data), readAt: Instant(nanoseconds: 7))
    }

    private func decoded(_ event: TriggerEvent) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(event.line))
        return try #require(object as? [String: Any])
    }

    @Test("the event is what the contract says, slashes plain, times in UTC") func event() {
        let match = JournalMatch(
            trigger: 0,
            entry: entry([
                ("MESSAGE", Array("worker 17 died in /srv".utf8)), ("PRIORITY", [0x33]),
            ]),
            captures: [.init(name: "worker", value: Array("17".utf8))])
        let event = match.triggerEvent(nil)
        #expect(event.cause == .journal)
        #expect(
            String(decoding: event.line, as: UTF8.self) == """
                {"trigger":"journal","time":"2026-11-23T00:09:02.000050Z","cursor":"s=1;i=2",\
                "fields":{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1795392542000050",\
                "__MONOTONIC_TIMESTAMP":"12","_BOOT_ID":"b00t","MESSAGE":"worker 17 died in /srv",\
                "PRIORITY":"3"},"captures":{"worker":"17"},"count":1}
                """)
    }

    @Test("a counting trigger's event tells the key and the entries that made it") func counted()
        throws
    {
        let tally = EntryCounter.Tally(
            key: Array("a.service".utf8), count: 3,
            entries: [.init(time: 1_000_000, cursor: "x"), .init(time: 2_000_000, cursor: "y")])
        let match = JournalMatch(trigger: 0, entry: entry([]), isExceeded: true)
        let event = try decoded(match.triggerEvent(tally))
        #expect(event["count"] as? Int == 3)
        #expect(event["key"] as? String == "a.service")
        #expect(event["exceeded"] as? Bool == true)
        let entries = event["entries"] as? [[String: String]]
        #expect(
            entries == [
                ["time": "1970-01-01T00:00:01.000000Z", "cursor": "x"],
                ["time": "1970-01-01T00:00:02.000000Z", "cursor": "y"],
            ])
    }

    /// As `journalctl --all --output=json` shows them.
    @Test(
        "values are text, or arrays of bytes",
        arguments: [
            (Array("tab\tline\n".utf8), "\"tab\\tline\\n\""),
            (Array("ü € 🙂".utf8), "\"ü € 🙂\""),
            ([], "\"\""),
            ([0x41, 0x0D], "[65,13]"),
            ([0x1B, 0x5B], "[27,91]"),
            ([0x00, 0x41], "[0,65]"),
            ([0x7F], "[127]"),
            ([0xFF], "[255]"),
            ([0xC2, 0x85], "[194,133]"),
        ] as [([UInt8], String)])
    func values(bytes: [UInt8], expected: String) {
        var object = JSONObject()
        object.add("v", journalValues: [bytes[...]])
        #expect(String(decoding: object.encoded(), as: UTF8.self) == "{\"v\":\(expected)}")
    }

    @Test("a field that an entry has several times is an array of all") func several() throws {
        let shown = entry([("A", [0x31]), ("B", [0x32]), ("A", [0x33])]).json
        let object = try JSONSerialization.jsonObject(with: Data(shown))
        let fields = try #require(object as? [String: Any])
        #expect(fields["A"] as? [String] == ["1", "3"])
        #expect(fields["B"] as? String == "2")
    }

    @Test("a thousand names of the same length are told apart, and their values kept together")
    func manyFields() throws {
        let one: [UInt8] = [0x31]
        let data = (0..<1_000).map { ("\(String(repeating: "A", count: 48))_\(1_000 + $0)", one) }
        let shown = entry(data + data.prefix(3).map { ($0.0, [0x32] as [UInt8]) }).json
        let object = try JSONSerialization.jsonObject(with: Data(shown))
        let fields = try #require(object as? [String: Any])
        #expect(fields.count == 1_004)
        #expect(data.prefix(3).allSatisfy { fields[$0.0] as? [String] == ["1", "2"] })
        #expect(fields[data[3].0] as? String == "1")
    }

    @Test("variables of the newest event") func variables() {
        let match = JournalMatch(
            trigger: 0,
            entry: entry([("MESSAGE", [1, 0, 2]), ("_SYSTEMD_UNIT", Array("a.service".utf8))]),
            captures: [.init(name: "worker", value: [0x37])])
        #expect(
            match.triggerEvent(nil).variables == [
                .init(name: "CRD_MESSAGE", value: [1, 0, 2]),
                .init(name: "CRD_UNIT", value: Array("a.service".utf8)),
                .init(name: "CRD_MATCH_worker", value: [0x37]),
            ])
    }

    @Test(
        "the unit is what systemd says it is, and nobody else",
        arguments: [("1", "flappy.service"), ("2", "evil.service")])
    func unit(pid: String, expected: String) {
        let entry = entry([
            ("_PID", Array(pid.utf8)), ("UNIT", Array("flappy.service".utf8)),
            ("_SYSTEMD_UNIT", Array("evil.service".utf8)),
        ])
        #expect(entry.unit.map { String(decoding: $0, as: UTF8.self) } == expected)
    }

    @Test("a value over 64 KiB is cut between characters, and its name is told") func cut() throws {
        let long = Array(String(repeating: "€", count: 30_000).utf8)
        let exact = Array(repeating: UInt8(ascii: "x"), count: JournalFields.valueMax)
        let fields = fields([("LONG", long), ("EXACT", exact), ("SHORT", [0x31])])
        #expect(fields.truncated == ["LONG"])
        #expect(fields.first("LONG")?.count == JournalFields.valueMax - 1)
        #expect(fields.first("LONG").map { String(validating: $0, as: UTF8.self) != nil } == true)
        #expect(fields.first("EXACT")?.count == JournalFields.valueMax)
        let event = JournalMatch(
            trigger: 0,
            entry: JournalEntry(
                position: Self.position, fields: fields, readAt: Instant(nanoseconds: 7))
        ).triggerEvent(nil)
        #expect(try decoded(event)["truncated"] as? [String] == ["LONG"])
    }

    @Test("G4: an entry of any size is bounded; what is small, trusted or the message is whole")
    func bounded() {
        let value = Array(repeating: UInt8(ascii: "x"), count: JournalFields.valueMax)
        let fields = fields(
            (0..<1_000).map { ("F\($0)", value) } + [
                ("MESSAGE", value), ("UNIT", Array("a.service".utf8)), ("_PID", [0x31]),
                ("_CMDLINE", value),
            ])
        #expect(fields.size <= JournalFields.sizeMax + 2 * JournalFields.valueMax + 300_000)
        #expect(fields.truncated.count >= 990)
        #expect(fields.first("F0")?.count == JournalFields.valueMax)
        #expect(fields.first("F999")?.count == 256)
        #expect(fields.first("MESSAGE")?.count == JournalFields.valueMax)
        #expect(fields.first("_CMDLINE")?.count == JournalFields.valueMax)
        #expect(fields.first("UNIT")?.elementsEqual("a.service".utf8) == true)
        #expect(fields.first("_PID")?.elementsEqual([0x31]) == true)
    }
}
