// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: `unit`, `identifier` and `priority` mean what they mean to journalctl(1).
/// Method: entries with fields that only journald can give, and journalctl itself, asked for the
/// same.
@Suite(
    "Journal triggers as for journalctl -u, -t and -p", .takesTurns,
    .enabled(if: JournaldBox.canForge, "\(JournaldBox.needsForger)"))
struct JournalUnitTests {
    private static let coredump = "fc2e22bc6ee647b6b90729ab34a250b1"

    /// The fields of all entries, by their messages.
    private static let entries: [(String, KeyValuePairs<String, String>)] = [
        ("own", ["_SYSTEMD_UNIT": "flappy.service", "_PID": "77", "PRIORITY": "6"]),
        ("systemd's", ["_PID": "1", "_SYSTEMD_UNIT": "init.scope", "UNIT": "flappy.service"]),
        ("a claim", ["_PID": "78", "UNIT": "flappy.service", "_UID": "0"]),
        ("a service's", ["_UID": "0", "OBJECT_SYSTEMD_UNIT": "flappy.service"]),
        ("a user's claim", ["_UID": "7", "OBJECT_SYSTEMD_UNIT": "flappy.service"]),
        (
            "a coredump",
            ["_UID": "0", "MESSAGE_ID": Self.coredump, "COREDUMP_UNIT": "flappy.service"]
        ),
        ("no coredump", ["_UID": "0", "COREDUMP_UNIT": "flappy.service"]),
        (
            "a user's coredump",
            ["_UID": "7", "MESSAGE_ID": Self.coredump, "COREDUMP_UNIT": "flappy.service"]
        ),
        ("another", ["_SYSTEMD_UNIT": "flappy.socket", "_SYSTEMD_SLICE": "my.slice"]),
        ("an instance", ["_SYSTEMD_UNIT": "worker@3.service", "PRIORITY": "3"]),
        ("a mount", ["_SYSTEMD_UNIT": #"mnt-a\x2db.mount"#, "PRIORITY": "4"]),
        ("bad", ["_SYSTEMD_UNIT": "flappy.service", "SYSLOG_IDENTIFIER": "x", "PRIORITY": "2"]),
        ("bad too", ["SYSLOG_IDENTIFIER": "x", "PRIORITY": "5"]),
    ]

    @Test("tell the same entries, each once")
    func asJournalctl() async throws {
        let place = try await JournalWorld()
        let cases: [(keys: String, options: String)] = [
            ("unit = 'flappy'", "-u flappy"),
            ("unit = 'flappy.service'", "-u flappy.service"),
            ("unit = 'flap*'", "-u 'flap*'"),
            ("unit = ['flappy', 'init.scope']", "-u flappy -u init.scope"),
            ("unit = '*'", "-u '*'"),
            ("unit = 'worker@*'", "-u 'worker@*'"),
            ("unit = 'my.slice'", "-u my.slice"),
            ("unit = 'my*'", "-u 'my*'"),
            (#"unit = 'mnt-a\x2db.mount'"#, #"-u 'mnt-a\x2db.mount'"#),
            ("identifier = 'x'", "-t x"),
            ("priority = 'err'", "-p err"),
            ("priority = 'warning..err'", "-p warning..err"),
            ("unit = 'flappy'\npriority = 3", "-u flappy -p 3"),
            (
                "unit = 'flappy'\nidentifier = ['x', 'y']\nmatch = { PRIORITY = '2' }",
                "-u flappy -t x -t y PRIORITY=2"
            ),
        ]
        let witnesses = try cases.enumerated().map { index, test in
            // Leaves out what journald says of itself.
            try place.witness("Case\(index)", "\(test.keys)\nfield = 'TEST'\npattern = 'yes'")
        }
        let glob = try place.witness("Glob", "unit = 'worker@?'")
        let all = try place.witness("All", "match = { TEST = 'yes' }")
        let twice = try place.witness(
            "Twice", "unit = ['init.scope', 'flappy']\ncount = 2\nwithin = '1h'")
        try await place.start()
        let begin = Date.now
        let forged = Self.entries.enumerated().map { index, entry in
            var forged = ForgedEntry(entry.1, at: begin + Double(index) / 1_000)
            forged.fields += [("MESSAGE", Array(entry.0.utf8)), ("TEST", Array("yes".utf8))]
            return forged
        }
        try await place.box.forge(forged)
        try await all.tells(Self.entries.map(\.0))
        for (test, witness) in zip(cases, witnesses) {
            let found = try await place.box.run(
                "journalctl -q --no-pager -o cat --output-fields=MESSAGE \(test.options) TEST=yes")
            let expected = found.split(separator: "\n").map(String.init)
            #expect(!expected.isEmpty, "\(test.options)")
            try await witness.tells(expected)
        }
        // A suffix is understood with a glob, too.
        try await glob.tells(["an instance"])
        // It is about both of them, and one entry.
        #expect(try twice.told.first?.message == "systemd's")
        let entries = try await place.box.entries().filter { $0["TEST"] != nil }
        #expect(
            try twice.told.first?.known.entries?.first?.cursor
                == entries.first?["__CURSOR"] as? String)
        #expect(witnesses[0].runs.flatMap(\.lines).count == 5)
        let units = all.runs.last?.unit
        #expect(units == nil || units == "flappy.service")
    }

    @Test("tell whom systemd's and a coredump's entry is about")
    func unitTold() async throws {
        let place = try await JournalWorld()
        let log = try place.witness("Log", "unit = 'flappy'")
        try await place.start()
        for (index, entry) in Self.entries.prefix(6).enumerated()
        where ["systemd's", "a coredump", "a service's"].contains(entry.0) {
            var forged = ForgedEntry(entry.1)
            forged.fields.append(("MESSAGE", Array("\(index)".utf8)))
            try await place.box.forge([forged])
            try await eventually("it is told") {
                try log.told.last?.message == "\(index)"
            }
            try await log.state("idle")
            #expect(log.runs.last?.unit == "flappy.service", "\(entry.0)")
        }
    }
}
