// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

/// Whole files, because only text has lines and columns.
@Suite("crd.conf")
struct ConfigurationTests {
    private func decode(_ text: String) throws -> (Configuration, [String]) {
        let root = try TOMLDocument.parse(Array(text.utf8), file: "crd.conf")
        let (configuration, diagnostics) = Configuration.decode(root, file: "crd.conf")
        return (configuration, diagnostics.map(\.description))
    }

    @Test("may be empty or nothing but comments", arguments: ["", "\n", "# nothing\n\n"])
    func empty(text: String) throws {
        let (configuration, complaints) = try decode(text)
        #expect(configuration == Configuration())
        #expect(complaints == [])
    }

    @Test("takes every key") func everyKey() throws {
        let (configuration, complaints) = try decode(
            """
            interval = "1min 30s"
            modules = "/srv/modules/"
            support = '/srv/support'
            state = "/srv/state"
            runtime = "/srv/run//"
            slots = 1_024
            timeout = 20
            grace = "1.5s"
            output-max = "20MiB"
            journal-wake = "10ms"
            catch-up = "2h"
            auto-reload = false
            """)
        var expected = Configuration()
        expected.interval = .seconds(90)
        expected.modules = "/srv/modules"
        expected.support = "/srv/support"
        expected.state = "/srv/state"
        expected.runtime = "/srv/run"
        expected.slots = 1024
        expected.timeout = .seconds(20)
        expected.grace = .milliseconds(1500)
        expected.outputMax = 20 << 20
        expected.journalWake = .every(.milliseconds(10))
        expected.catchUp = .seconds(7_200)
        expected.autoReload = false
        #expect(configuration == expected)
        #expect(complaints == [])
    }

    @Test(
        "knows how to notice journal entries",
        arguments: [
            ("\"auto\"", .auto), ("\"doorbell\"", .doorbell), ("\"notify\"", .notify),
            ("\"1s 500ms\"", .every(.milliseconds(1_500))), ("2", .every(.seconds(2))),
        ] as [(String, JournalWake)])
    func journalWake(written: String, expected: JournalWake) throws {
        let (configuration, complaints) = try decode("journal-wake = \(written)")
        #expect(complaints == [])
        #expect(configuration.journalWake == expected)
    }

    static let span = "a time span from 1ms to 1y, such as \"30s\""
    static let path = "an absolute path of at most 3072 bytes"
    static let size = "a size up to 1GiB, such as \"1MiB\""
    static let slots = "a whole number from 1 to 1024"

    @Test(
        "refuses what cannot be, names the key and the remedy, and keeps the default",
        arguments: [
            ("intervall = 1", "1:1: unknown key 'intervall'; did you mean 'interval'?"),
            ("[Slots]", "1:2: unknown key 'Slots'; did you mean 'slots'?"),
            (
                "frobnicate = 1",
                "1:1: unknown key 'frobnicate'; known here: interval, modules, support, state, "
                    + "runtime, slots, timeout, grace, output-max, "
                    + "journal-wake, catch-up, auto-reload, repository, allowed-signers"
            ),
            ("interval = true", "1:12: 'interval' must be \(span), not a boolean"),
            ("interval = 1.5", "1:12: 'interval' must be \(span), not a float"),
            ("timeout = 1979-05-27", "1:11: 'timeout' must be \(span), not a date or time"),
            (
                "interval = \"30 parsecs\"",
                "1:12: 'interval': \"30 parsecs\" has the unknown unit 'parsecs'; it must be \(span)"
            ),
            ("timeout = 0", "1:11: 'timeout': 0 is too short; it must be \(span)"),
            ("grace = -5", "1:9: 'grace': -5 is negative; it must be \(span)"),
            (
                "grace = 9223372036854775807",
                "1:9: 'grace': 9223372036854775807 is too long; it must be \(span)"
            ),
            ("grace = \"400y\"", "1:9: 'grace': \"400y\" is too large; it must be \(span)"),
            ("\n\n  modules = 7", "3:13: 'modules' must be \(path), not an integer"),
            ("modules = \"m\"", "1:11: 'modules': \"m\" is not absolute; it must be \(path)"),
            (
                "support = \"/a\\u0000b\"",
                "1:11: 'support': \"/a\\u{0}b\" has a NUL byte; it must be \(path)"
            ),
            (
                "state = \"/a/../b\"",
                "1:9: 'state': \"/a/../b\" has a component \"..\"; it must be \(path)"
            ),
            ("slots = 0", "1:9: 'slots': 0 is too small; it must be \(slots)"),
            ("slots = 1025", "1:9: 'slots': 1025 is too large; it must be \(slots)"),
            ("slots = \"4\"", "1:9: 'slots' must be \(slots), not a string"),
            ("output-max = -1", "1:14: 'output-max': -1 is negative; it must be \(size)"),
            (
                "output-max = \"2GiB\"",
                "1:14: 'output-max': \"2GiB\" is too large; it must be \(size)"
            ),
            ("output-max = [1]", "1:14: 'output-max' must be \(size), not an array"),
        ] as [(String, String)])
    func refusing(text: String, complaint: String) throws {
        let (configuration, complaints) = try decode(text)
        #expect(complaints == ["crd.conf:\(complaint)"])
        #expect(configuration == Configuration())
    }

    @Test("leaves room for the socket's name in 107 bytes", arguments: [(98, true), (99, false)])
    func runtimeLength(length: Int, fits: Bool) throws {
        let path = "/" + String(repeating: "r", count: length - 1)
        let (configuration, complaints) = try decode("runtime = \"\(path)\"")
        #expect(complaints.isEmpty == fits)
        #expect((configuration.runtime == path) == fits)
    }

    @Test("is complained about as a whole, in the order of its lines") func everyFault() throws {
        let (configuration, complaints) = try decode(
            """
            slots = 0
            colour = "red"
            interval = "2s"
            grace = ""
            """)
        #expect(
            complaints.map { String($0.prefix { $0 != ";" }) } == [
                "crd.conf:1:9: 'slots': 0 is too small", "crd.conf:2:1: unknown key 'colour'",
                "crd.conf:4:9: 'grace': \"\" is empty",
            ])
        #expect(configuration.interval == .seconds(2))
    }
}
