// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

/// Whole files, because only text has lines and columns.
@Suite("[[trigger.journal]]")
struct JournalTriggerTests {
    private func decode(_ text: String) throws -> (Manifest, [String]) {
        let root = try TOMLDocument.parse(Array(text.utf8), file: "m")
        let (manifest, diagnostics) = Manifest.decode(
            root, file: "m", compile: Pattern.outline)
        return (manifest, diagnostics.map(\.description))
    }

    @Test("takes every key") func everyKey() throws {
        let (manifest, complaints) = try decode(
            #"""
            [[trigger.journal]]
            match = { _SYSTEMD_UNIT = ["a.service", "b.service"], PRIORITY = "3" }
            field = "MESSAGE"
            pattern = "worker (?<worker>\\d+) died"
            count = 3
            within = "60s"
            by = "worker"
            [[trigger.journal]]
            pattern = 'x'
            field = "SYSLOG_IDENTIFIER"
            count = 2
            within = 5
            by = "UNIT"
            [[trigger.journal]]
            match.MESSAGE_ID = ["d9b373ed55a64feb8242e02dbe79a49c"]
            """#)
        #expect(complaints == [])
        #expect(
            manifest.journal == [
                JournalTrigger(
                    match: [
                        .init(field: "_SYSTEMD_UNIT", values: ["a.service", "b.service"]),
                        .init(field: "PRIORITY", values: ["3"]),
                    ], pattern: #"worker (?<worker>\d+) died"#,
                    counting: .init(count: 3, within: .seconds(60), by: .capture("worker"))),
                JournalTrigger(
                    field: "SYSLOG_IDENTIFIER", pattern: "x",
                    counting: .init(count: 2, within: .seconds(5), by: .field("UNIT"))),
                JournalTrigger(
                    match: [
                        .init(field: "MESSAGE_ID", values: ["d9b373ed55a64feb8242e02dbe79a49c"])
                    ]),
            ])
    }

    @Test("a value given twice counts once, and no journal trigger is no fault") func sparse()
        throws
    {
        let (manifest, complaints) = try decode(
            "trigger.journal = [{ match = { A = [\"x\", \"x\"] } }]")
        #expect(complaints == [])
        #expect(manifest.journal[0].match == [.init(field: "A", values: ["x"])])
        #expect(try decode("trigger.journal = []").0.journal == [])
    }

    @Test(
        "unit, identifier and priority are as for journalctl -u, -t and -p",
        arguments: [
            ("unit = 'flappy'", [], ["flappy.service"]),
            ("unit = ['a.socket', 'b@1', 'c*']", [], ["a.socket", "b@1.service", "c*"]),
            (
                "identifier = 'sshd'", [.init(field: "SYSLOG_IDENTIFIER", values: ["sshd"])],
                []
            ),
            (
                "identifier = ['b', 'a']",
                [.init(field: "SYSLOG_IDENTIFIER", values: ["b", "a"])], []
            ),
            (
                "priority = 'err'", [.init(field: "PRIORITY", values: ["0", "1", "2", "3"])],
                []
            ),
            ("priority = 1", [.init(field: "PRIORITY", values: ["0", "1"])], []),
            ("priority = '0'", [.init(field: "PRIORITY", values: ["0"])], []),
            (
                "priority = 'warning..err'", [.init(field: "PRIORITY", values: ["3", "4"])],
                []
            ),
            ("priority = '5..6'", [.init(field: "PRIORITY", values: ["5", "6"])], []),
            (
                "match = { PRIORITY = '3' }\nunit = 'u'\npriority = 4\nidentifier = 'i'",
                [
                    .init(field: "PRIORITY", values: ["3"]),
                    .init(field: "SYSLOG_IDENTIFIER", values: ["i"]),
                    .init(field: "PRIORITY", values: ["0", "1", "2", "3", "4"]),
                ], ["u.service"]
            ),
        ] as [(String, [JournalTrigger.Match], [String])])
    func asJournalctl(keys: String, match: [JournalTrigger.Match], units: [String]) throws {
        let (manifest, complaints) = try decode("[[trigger.journal]]\n\(keys)\n")
        #expect(complaints == [])
        let trigger = try #require(manifest.journal.first)
        #expect(trigger.match == match)
        #expect((trigger.units ?? []).map(\.text) == units)
    }

    @Test("a template as a unit is a warning") func template() throws {
        let (manifest, complaints) = try decode("[[trigger.journal]]\nunit = 'sshd@'\n")
        #expect(
            complaints == [
                "m:2:8: warning: 'trigger.journal.unit': \"sshd@.service\" can match no entry, since "
                    + "a template does not run, its instances do; write \"sshd@*.service\""
            ])
        #expect(manifest.journal.count == 1)
    }

    @Test("a group is preferred to a field of its name") func groupBeforeField() throws {
        let (manifest, complaints) = try decode(
            "trigger.journal = [{ pattern = '(?<UNIT>x)', count = 2, within = 1, by = 'UNIT' }]")
        #expect(complaints == [])
        #expect(manifest.journal[0].counting?.key == .capture("UNIT"))
    }

    @Test(
        "refuses what cannot be, and names line, key and remedy",
        arguments: [
            (
                "",
                "m:1:1: a journal trigger needs 'match', 'unit', 'identifier', 'priority' or "
                    + "'pattern', otherwise every entry would match"
            ),
            (
                "match = {}",
                "m:2:9: 'trigger.journal.match': a table is empty; it must be a table of fields "
                    + "and their values, such as { PRIORITY = [\"0\", \"1\"] }"
            ),
            (
                "match = \"x\"",
                "m:2:9: 'trigger.journal.match' must be a table of fields and their values, such "
                    + "as { PRIORITY = [\"0\", \"1\"] }, not a string"
            ),
            (
                "match = { priority = \"3\" }",
                "m:2:11: 'trigger.journal.match.priority' is not a valid field name; "
                    + "use A-Z, 0-9 and '_'; did you mean \"PRIORITY\"?"
            ),
            (
                "match = { _SYSTEMD_UNITS = \"a\" }",
                "m:2:11: 'trigger.journal.match._SYSTEMD_UNITS' is unknown; did you mean "
                    + "\"_SYSTEMD_UNIT\"?"
            ),
            (
                "match = { __CURSOR = \"a\" }",
                "m:2:11: 'trigger.journal.match.__CURSOR' is the entry's address, which cannot be "
                    + "matched; fields begin with one '_' or none"
            ),
            (
                "match = { PRIORITY = 3 }",
                "m:2:22: 'trigger.journal.match.PRIORITY' must be a string in quotes, or a list of "
                    + "strings, not an integer"
            ),
            (
                "match = { PRIORITY = [] }",
                "m:2:22: 'trigger.journal.match.PRIORITY': an array is empty; it must be a string "
                    + "in quotes, or a list of strings"
            ),
            (
                "unit = \"a b\"",
                "m:2:8: 'trigger.journal.unit': \"a b\" is not a unit's name (systemd.unit(5)); it "
                    + "must be a unit's name or glob, such as \"nginx\" or \"worker@*\", or a list "
                    + "of them"
            ),
            (
                "unit = [\"a\", \"/home\"]",
                "m:2:14: 'trigger.journal.unit': \"/home\" is a path; write the unit's name, which "
                    + "systemd-escape --path prints; it must be a unit's name or glob, such as "
                    + "\"nginx\" or \"worker@*\", or a list of them"
            ),
            (
                "unit = \"a[b\"",
                "m:2:8: 'trigger.journal.unit': \"a[b\" has a '[' without its ']'; it must be a "
                    + "unit's name or glob, such as \"nginx\" or \"worker@*\", or a list of them"
            ),
            (
                "identifier = []",
                "m:2:14: 'trigger.journal.identifier': an array is empty; it must be a string such as "
                    + "\"sshd\", or a list of strings"
            ),
            (
                "priority = \"error\"",
                "m:2:12: 'trigger.journal.priority': \"error\" is not a priority; it must be "
                    + "\"emerg\", \"alert\", \"crit\", \"err\", \"warning\", \"notice\", \"info\", "
                    + "\"debug\", a number from 0 to 7, or a range such as \"warning..err\""
            ),
            (
                "pattern = \"\"",
                "m:2:11: 'trigger.journal.pattern': \"\" is empty; it must be a pattern"
            ),
            (
                "pattern = \"worker (\"",
                "m:2:11: 'trigger.journal.pattern': \"worker (\" does not compile at offset 8: "
                    + "missing closing parenthesis; fix it (pcre2pattern(3))"
            ),
            (
                "match = { A = \"b\" }\nfield = \"A\"",
                "m:3:9: 'trigger.journal.field' says what a pattern is matched against, but there is "
                    + "no 'pattern'; add it, or use 'match'"
            ),
            (
                "pattern = \"x\"\nfield = \"mesage\"",
                "m:3:9: 'trigger.journal.field': \"mesage\" is not a valid field name; "
                    + "use A-Z, 0-9 and '_'; did you mean \"MESSAGE\"?"
            ),
            (
                "pattern = \"x\"\ncount = 3",
                "m:3:9: 'trigger.journal.count' needs 'within', the time within which that many "
                    + "entries count as one event, such as \"60s\""
            ),
            (
                "pattern = \"x\"\nwithin = 3",
                "m:3:10: 'trigger.journal.within' needs 'count', how many entries are one event"
            ),
            (
                "pattern = \"x\"\nby = \"UNIT\"",
                "m:3:6: 'trigger.journal.by' needs 'count', how many entries are one event"
            ),
            (
                "pattern = \"x\"\ncount = 0\nwithin = 1",
                "m:3:9: 'trigger.journal.count': 0 is too small; it must be a whole number from 1 "
                    + "to 1000"
            ),
            (
                "pattern = \"(?<w>x)\"\ncount = 2\nwithin = 1\nby = \"worker\"",
                "m:5:6: 'trigger.journal.by': \"worker\" names neither a field nor a group; it must "
                    + "be a field's name, or that of a named group of the pattern (w)"
            ),
            (
                "pattern = \"x\"\ncoutn = 2",
                "m:3:1: unknown key 'trigger.journal.coutn'; did you mean 'trigger.journal.count'?"
            ),
        ])
    func refused(keys: String, complaint: String) throws {
        let (manifest, complaints) = try decode("[[trigger.journal]]\n\(keys)\n")
        #expect(complaints == [complaint])
        #expect(manifest.journal.count == (complaint.contains("unknown key") ? 1 : 0))
    }

    @Test(
        "G15: what one entry is compared with, and what is counted, has limits",
        arguments: [
            (
                "pattern = '\(groups(65))'",
                "m:2:11: 'trigger.journal.pattern': has 65 named groups; at most 64 are allowed: leave "
                    + "those without a name that no module reads"
            ),
            ("pattern = '\(groups(64))'", nil),
            (
                "match = { \(fields(33)) }",
                "m:2:9: 'trigger.journal.match': a table has more than 32 fields; it must be a table "
                    + "of fields and their values, such as { PRIORITY = [\"0\", \"1\"] }"
            ),
            ("match = { \(fields(32)) }", nil),
            (
                "match = { A = [\(values(1_001))] }",
                "m:2:9: 'trigger.journal.match': a table has more than 1000 values; it must be a table "
                    + "of fields and their values, such as { PRIORITY = [\"0\", \"1\"] }"
            ),
            ("match = { A = [\(values(1_000))] }", nil),
        ] as [(String, String?)])
    func limits(keys: String, complaint: String?) throws {
        let complaints = try decode("[[trigger.journal]]\n\(keys)\n").1
        #expect(complaints == [complaint].compactMap(\.self))
    }

    private static func groups(_ count: Int) -> String {
        (0..<count).map { "(?<g\($0)>" }.joined() + "x" + String(repeating: ")", count: count)
    }

    private static func fields(_ count: Int) -> String {
        (0..<count).map { "F\($0) = 'x'" }.joined(separator: ", ")
    }

    private static func values(_ count: Int) -> String {
        (0..<count).map { "'\($0)'" }.joined(separator: ", ")
    }

    @Test("G15: the counts of a module have a limit together") func counts() throws {
        let trigger = "[[trigger.journal]]\npattern = 'x'\ncount = 1000\nwithin = 1\n"
        let (manifest, complaints) = try decode(String(repeating: trigger, count: 11))
        #expect(manifest.journal.count == 10)
        #expect(
            complaints == [
                "m:43:9: 'trigger.journal.count': the counts of the module's triggers up to this one "
                    + "add up to more than 10000; lower them, or divide the triggers among several "
                    + "modules"
            ])
    }

    @Test("one that is broken leaves the others") func others() throws {
        let (manifest, complaints) = try decode(
            """
            [[trigger.journal]]
            pattern = "("
            [[trigger.journal]]
            pattern = "x"
            """)
        #expect(complaints.count == 1)
        #expect(manifest.journal == [JournalTrigger(pattern: "x")])
    }
}
