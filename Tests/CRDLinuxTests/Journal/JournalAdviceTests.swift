// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

@Suite("What no journal entry can have")
struct JournalAdviceTests {
    private func decode(_ keys: String) throws -> (Manifest, [Diagnostic]) {
        let text = "[[trigger.journal]]\n\(keys)\n"
        let root = try TOMLDocument.parse(Array(text.utf8), file: "m")
        return Manifest.decode(root, file: "m", compile: Pattern.outline)
    }

    @Test(
        "is accepted with a warning that names the remedy",
        arguments: [
            (
                "match = { _SYSTEMD_UNIT = \"flappy\" }",
                "m:2:27: warning: 'trigger.journal.match._SYSTEMD_UNIT': \"flappy\" can match no "
                    + "entry, since a unit's name has a suffix there; write \"flappy.service\", "
                    + "or use unit = \"flappy\""
            ),
            (
                "match = { _SYSTEMD_UNIT = [\"a.service\", \"flap*.service\"] }",
                "m:2:41: warning: 'trigger.journal.match._SYSTEMD_UNIT': \"flap*.service\" can "
                    + "match no entry, since 'match' compares strings literally, glob characters "
                    + "included; use unit = \"flap*.service\""
            ),
            (
                "match = { _SYSTEMD_UNIT = \"sshd@.service\" }",
                "m:2:27: warning: 'trigger.journal.match._SYSTEMD_UNIT': \"sshd@.service\" can "
                    + "match no entry, since a template does not run, its instances do; use "
                    + "unit = \"sshd@*.service\""
            ),
            (
                "match = { _SYSTEMD_SLICE = \"system\" }",
                "m:2:28: warning: 'trigger.journal.match._SYSTEMD_SLICE': \"system\" can match no "
                    + "entry, since a unit's name has a suffix there; write \"system.slice\""
            ),
            (
                "match = { PRIORITY = \"err\" }",
                "m:2:22: warning: 'trigger.journal.match.PRIORITY': \"err\" can match no entry, "
                    + "since the journal has a number there; write \"3\", or use priority = "
                    + "\"err\", which also matches more severe entries"
            ),
            (
                "match = { PRIORITY = \"8\" }",
                "m:2:22: warning: 'trigger.journal.match.PRIORITY': \"8\" can match no entry, "
                    + "since the journal has a number from 0 to 7 there; write one, or use "
                    + "'priority'"
            ),
            (
                "match = { _UID = \"root\" }",
                "m:2:18: warning: 'trigger.journal.match._UID': \"root\" can match no entry, since "
                    + "the journal has a number there; write \"0\""
            ),
            (
                "match = { SYSLOG_FACILITY = \"auth\" }",
                "m:2:29: warning: 'trigger.journal.match.SYSLOG_FACILITY': \"auth\" can match no "
                    + "entry, since the journal has a number there; write \"4\""
            ),
            (
                "match = { MESSAGE_ID = \"FC2E22BC-6EE6-47B6-B907-29AB34A250B1\" }",
                "m:2:24: warning: 'trigger.journal.match.MESSAGE_ID': "
                    + "\"FC2E22BC-6EE6-47B6-B907-29AB34A250B1\" can match no entry, since the "
                    + "journal has 32 hexadecimal digits there, without dashes; write "
                    + "\"fc2e22bc6ee647b6b90729ab34a250b1\""
            ),
            (
                "match = { SYSTEMD_UNIT = \"a.service\" }",
                "m:2:11: warning: 'trigger.journal.match.SYSTEMD_UNIT' is a field that "
                    + "systemd does not write, though a program may make it up; journald's own "
                    + "field is '_SYSTEMD_UNIT'"
            ),
            (
                "match = { _PRIORITY = \"3\" }",
                "m:2:11: warning: 'trigger.journal.match._PRIORITY' is a field that only "
                    + "journald could write, and journald does not write it; use 'PRIORITY' "
                    + "instead"
            ),
            (
                "pattern = 'x'\nfield = 'COMM'",
                "m:3:9: warning: 'trigger.journal.field': 'COMM' is a field that systemd does not "
                    + "write, though a program may make it up; journald's own field is '_COMM'"
            ),
            (
                "pattern = 'x'\ncount = 2\nwithin = 1\nby = 'UID'",
                "m:5:6: warning: 'trigger.journal.by': 'UID' is a field that systemd does not "
                    + "write, though a program may make it up; journald's own field is '_UID'"
            ),
            (
                "pattern = 'ab{,5}c'",
                "m:2:11: warning: 'trigger.journal.pattern': {,5} is plain text to PCRE2 before "
                    + "10.43 and a quantifier from then on; write {0,5} for the quantifier, "
                    + "or \\{ for the text"
            ),
            (
                "pattern = '[{,5}]x\\Q{,5}\\E\\{,5}y{ 1, 3 }'",
                "m:2:11: warning: 'trigger.journal.pattern': { 1, 3 } is plain text to PCRE2 before "
                    + "10.43 and a quantifier from then on; write {1,3} for the quantifier, "
                    + "or \\{ for the text"
            ),
        ])
    func warned(keys: String, warning: String) throws {
        let (manifest, found) = try decode(keys)
        #expect(found.map(\.description) == [warning])
        #expect(found.errors == [])
        #expect(manifest.journal.count == 1)
    }

    @Test(
        "and no warning where an entry can have it",
        arguments: [
            "match = { _SYSTEMD_UNIT = ['a.service', 'init.scope', 'a@b.service', 'x.mount'] }",
            "match = { PRIORITY = ['0', '7'], _UID = '0', SYSLOG_FACILITY = '4' }",
            "match = { MESSAGE_ID = 'fc2e22bc6ee647b6b90729ab34a250b1' }",
            "match = { MESSAGE_ID = 'what a program made up', TOPIC = 'flappy', UNIT_TEST = '1' }",
            "match = { _SYSTEMD_CGROUP = '/system.slice/a.service', _EXE = '/bin/sh' }",
            "match = { SYSLOG_PID = '7', INVOCATION_ID = '0123456789abcdef0123456789abcdef' }",
            "pattern = 'a{5}b{2,}c{2,5}[{,5}]\\{,5}\\Q{,5}\\E{,} {x,5} {,5'",
            "pattern = '[]{,5}]x[^]{,5}]y'",
        ])
    func silent(keys: String) throws {
        #expect(try decode(keys).1 == [])
    }
}
