// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "Where standard error leads to the journal",
    .takesTurns, .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalTests {
    @Test("lines have their fields, their module's name and their priority")
    func fields() async throws {
        let world = try World()
        try world.module(
            "Talk", check: "echo looking >&2; echo \"$CRD_RUN\" >'\(world.notes)/run'",
            response: "echo '<3>it hurts'; echo 'two words' >&2; printf '<7>\\377\\n'")
        try world.module("Sour", check: "exit 7")
        let box = try await JournaldBox()
        try await world.start(box.connectedPrefix)
        try await world.runs(1, of: "Talk")
        try await world.runs(1, of: "Sour")
        #expect(try await world.stop() == 0, "\(world.lines)")

        let run = try #require(world.notedLines("run").first)
        let entries = try await box.entries()
        func entry(_ message: String) throws -> [String: String] {
            let found = entries.filter { ($0["MESSAGE"] as? String)?.contains(message) == true }
            #expect(found.count == 1, "\(message)")
            return try #require(found.first).compactMapValues { $0 as? String }
        }
        func expect(
            _ message: String, _ expected: [String: String],
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let found = try entry(message)
            let same = found.filter { expected[$0.key] != nil }
            #expect(same == expected, "\(message)", sourceLocation: sourceLocation)
        }

        let common = ["CRD_MODULE": "Talk", "CRD_RUN": run, "CRD_TRIGGER": "start"]
        try expect(
            "Talk: condition held (start",
            common.merging([
                "CRD_ROLE": "response", "CRD_OUTCOME": "done", "SYSLOG_IDENTIFIER": "crd",
                "PRIORITY": "5",
            ]) { $1 })
        try expect(
            "looking",
            common.merging([
                "CRD_ROLE": "check", "SYSLOG_IDENTIFIER": "crd.Talk", "PRIORITY": "6",
            ]) { $1 })
        try expect(
            "it hurts",
            common.merging([
                "CRD_ROLE": "response", "SYSLOG_IDENTIFIER": "crd.Talk", "PRIORITY": "3",
                "MESSAGE": "it hurts",
            ]) { $1 })
        try expect("two words", ["PRIORITY": "6", "SYSLOG_IDENTIFIER": "crd.Talk"])
        try expect("Sour: check ended with exit code 7", ["CRD_MODULE": "Sour", "PRIORITY": "4"])
        try expect("started version", ["SYSLOG_IDENTIFIER": "crd", "PRIORITY": "5"])
        // All of it native: nothing came as text through the stream.
        #expect(entries.allSatisfy { $0["SYSLOG_IDENTIFIER"] as? String != "cat" })
        #expect(
            entries.contains {
                $0["MESSAGE"] as? [Int] == [0xff] && $0["PRIORITY"] as? String == "7"
            })
    }
}
