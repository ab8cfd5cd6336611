// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

@Suite("module.toml")
struct ManifestTests {
    private func decode(_ text: String) throws -> (Manifest, [String]) {
        let root = try TOMLDocument.parse(Array(text.utf8), file: "module.toml")
        let (manifest, diagnostics) = Manifest.decode(
            root, file: "module.toml", compile: Pattern.outline)
        return (manifest, diagnostics.map(\.description))
    }

    @Test("may be empty") func empty() throws {
        let (manifest, complaints) = try decode("")
        #expect(manifest == Manifest())
        #expect(complaints == [])
        #expect(manifest.roles.keys.count == Role.allCases.count)
    }

    @Test("takes every key") func everyKey() throws {
        let (manifest, complaints) = try decode(
            """
            description = "Empties /var/log/custom"
            interval = "5min"
            timeout = "20s"
            settle = "2s"
            cooldown = "1min"
            limit = "5/10s"
            condition = [0, 3]
            clear = [1, 2]
            user = "logs"
            environment = { LIMIT = "20971520", _x9 = "" }
            leftovers = "keep"
            enabled = false
            requires = ["webhook", "queue"]
            [check]
            timeout = 5
            [install]
            timeout = "10min"
            [response]
            user = "root"
            """)
        var expected = Manifest()
        expected.description = "Empties /var/log/custom"
        expected.interval = .every(.seconds(300))
        expected.settle = .seconds(2)
        expected.cooldown = .fixed(.seconds(60))
        expected.limit = Manifest.Limit(count: 5, window: .seconds(10))
        expected.condition = [0, 3]
        expected.clear = [1, 2]
        expected.environment = ["LIMIT": "20971520", "_x9": ""]
        expected.leftovers = .keep
        expected.enabled = false
        expected.requires = ["webhook", "queue"].compactMap(ModuleName.init)
        expected.installTimeout = .seconds(600)
        expected.roles[.check] = .init(timeout: .seconds(5), user: "logs")
        expected.roles[.response] = .init(timeout: .seconds(20), user: "root")
        #expect(manifest == expected)
        #expect(complaints == [])
    }

    @Test("takes words where they mean something") func words() throws {
        let (manifest, complaints) = try decode(
            """
            interval = "off"
            cooldown = "auto"
            limit = "off"
            leftovers = "kill"
            settle = 0
            clear = []
            """)
        var expected = Manifest()
        expected.interval = .off
        expected.limit = nil
        expected.clear = []
        #expect(manifest == expected)
        #expect(complaints == [])
    }

    static let line = "one line of text without control characters"
    static let codes = "a list of exit codes from 0 to 255, such as [0, 3]"
    static let limit = "\"off\" or a number up to 10000 and a time span, such as \"30/1min\""
    static let user = "a user's name in quotes, such as \"nobody\""
    static let variable = "a string in quotes, without NUL bytes"
    static let remedy = "set both, without an exit code in common"

    @Test(
        "refuses what cannot be, names the key and the remedy, and keeps the default",
        arguments: [
            (
                "description = \"two\\nlines\"",
                "1:15: 'description': \"two\\u{a}lines\" has control characters; it must be \(line)"
            ),
            ("description = 1.5", "1:15: 'description' must be \(line), not a float"),
            (
                "interval = \"of\"",
                "1:12: 'interval': \"of\" is not a number followed by a unit; "
                    + "it must be \"off\" or a time span from 1ms to 1y, such as \"30s\""
            ),
            (
                "settle = \"2d\"",
                "1:10: 'settle': \"2d\" is too long; "
                    + "it must be a time span from 0s to 1d, such as \"30s\""
            ),
            (
                "cooldown = false",
                "1:12: 'cooldown' must be \"auto\" or a time span from 0s to 1y, such as \"30s\", "
                    + "not a boolean"
            ),
            (
                "limit = \"30\"",
                "1:9: 'limit': \"30\" does not consist of two parts separated by a slash; it must be \(limit)"
            ),
            (
                "limit = \"0/1min\"",
                "1:9: 'limit': \"0/1min\" has no count from 1 to 10000; it must be \(limit)"
            ),
            (
                "limit = \"10001/1min\"",
                "1:9: 'limit': \"10001/1min\" has no count from 1 to 10000; it must be \(limit)"
            ),
            (
                "limit = \"3/0s\"",
                "1:9: 'limit': \"3/0s\" has a time span that is not from 1ms to 1y; "
                    + "it must be \(limit)"
            ),
            (
                "limit = \"3/1parsec\"",
                "1:9: 'limit': \"3/1parsec\" has a time span that has the unknown unit 'parsec'; "
                    + "it must be \(limit)"
            ),
            ("limit = 30", "1:9: 'limit' must be \(limit), not an integer"),
            ("condition = []", "1:13: 'condition': an array is empty; it must be \(codes)"),
            ("condition = 0", "1:13: 'condition' must be \(codes), not an integer"),
            (
                "condition = [0, 256]",
                "1:17: 'condition': 256 is not an exit code; it must be \(codes)"
            ),
            ("clear = [2, -1]", "1:13: 'clear': -1 is not an exit code; it must be \(codes)"),
            ("clear = [\"1\"]", "1:10: 'clear': \"1\" is not an exit code; it must be \(codes)"),
            (
                "condition = [1, 0]",
                "1:13: 'condition' has 1, which 'clear' has by default; \(remedy)"
            ),
            ("clear = [0]", "1:9: 'clear' has 0, which 'condition' has by default; \(remedy)"),
            (
                "clear = [7, 8, 9]\ncondition = [9, 7]",
                "2:13: 'condition' and 'clear' both have 7, 9; \(remedy)"
            ),
            ("user = \"\"", "1:8: 'user': \"\" is empty; it must be \(user)"),
            ("user = \"a b\"", "1:8: 'user': \"a b\" is not a user name; it must be \(user)"),
            ("user = 1000", "1:8: 'user' must be \(user), not an integer"),
            (
                "environment = \"A=1\"",
                "1:15: 'environment' must be a table of strings, such as { LIMIT = \"20\" }, "
                    + "not a string"
            ),
            (
                "environment.LIMIT = 5",
                "1:21: 'environment.LIMIT' must be \(variable), not an integer"
            ),
            (
                "environment = { A = \"\\u0000\" }",
                "1:21: 'environment.A': \"\\u{0}\" has a NUL byte; it must be \(variable)"
            ),
            (
                "[environment]\n9A = \"\"",
                "2:1: 'environment.9A' is not a valid variable name; "
                    + "use letters, digits and '_', not a digit first"
            ),
            (
                "environment = { \"A=B\" = \"\" }",
                "1:17: 'environment.A=B' is not a valid variable name; "
                    + "use letters, digits and '_', not a digit first"
            ),
            (
                "environment = { CRD_STATE = \"\" }",
                "1:17: 'environment.CRD_STATE' is reserved; choose another name"
            ),
            (
                "environment = { NOTIFY_SOCKET = \"\" }",
                "1:17: 'environment.NOTIFY_SOCKET' is reserved; choose another name"
            ),
            (
                "environment = { WATCHDOG_USEC = \"\" }",
                "1:17: 'environment.WATCHDOG_USEC' is reserved; choose another name"
            ),
            (
                "environment = { LISTEN_FDS = \"\" }",
                "1:17: 'environment.LISTEN_FDS' is reserved; choose another name"
            ),
            (
                "leftovers = \"kil\"",
                "1:13: 'leftovers': \"kil\" is unknown; it must be \"kill\" or \"keep\""
            ),
            ("leftovers = true", "1:13: 'leftovers' must be \"kill\" or \"keep\", not a boolean"),
            ("enabled = \"yes\"", "1:11: 'enabled' must be true or false, not a string"),
            ("check = \"x\"", "1:9: 'check' must be a table, as begun by [check], not a string"),
            (
                "[[response]]",
                "1:1: 'response' must be a table, as begun by [response], not an array"
            ),
            (
                "[check]\ntimout = 5",
                "2:1: unknown key 'check.timout'; did you mean 'check.timeout'?"
            ),
            (
                "[check]\ntimeout = 0",
                "2:11: 'check.timeout': 0 is too short; "
                    + "it must be a time span from 1ms to 1y, such as \"30s\""
            ),
            ("limits = \"off\"", "1:1: unknown key 'limits'; did you mean 'limit'?"),
        ] as [(String, String)])
    func refusing(text: String, complaint: String) throws {
        let (manifest, complaints) = try decode(text)
        #expect(complaints == ["module.toml:\(complaint)"])
        #expect(manifest == Manifest())
    }

    @Test("refuses variables that no program could be given") func longVariable() throws {
        let longest = String(repeating: "x", count: (128 << 10) - "A=".utf8.count - 1)
        #expect(try decode("environment.A = '\(longest)'").1.count == 0)
        #expect(try decode("environment.A = '\(longest)x'").1.count == 1)
    }

    @Test("G15: bounds what a module asks of the daemon")
    func bounds() throws {
        let trigger = "[[trigger.path]]\npath = '/a'\n"
        #expect(try decode(String(repeating: trigger, count: 256)).0.paths.count == 256)
        let more = try decode(String(repeating: trigger, count: 257))
        #expect(more.0.paths.isEmpty)
        #expect(more.1.count == 1 && more.1[0].contains("at most 256 tables"), "\(more.1)")
        // 256 patterns of 20 KiB each would take seconds to compile.
        let pattern = String(repeating: "(a|b)*", count: 800)
        let large = "[[trigger.journal]]\npattern = '\(pattern)'\n"
        let patterns = try decode(String(repeating: large, count: 40))
        #expect((10...30).contains(patterns.0.journal.count), "\(patterns.0.journal.count)")
        #expect(patterns.1.first?.contains("take more than 256 KiB when compiled") == true)
        #expect(patterns.0.journal.count + patterns.1.count == 40)
        func globs(_ count: Int) -> String {
            trigger + "include = [" + String(repeating: "'*a*', ", count: count) + "]"
        }
        #expect(try decode(globs(256)).1 == [])
        #expect(try decode(globs(257)).1.first?.contains("more than 256 entries") == true)
    }

    @Test("complains about every code and variable, not only the first") func everyElement() throws
    {
        let (_, complaints) = try decode(
            """
            condition = [300, 0, 301]
            environment = { CRD_A = 1, B = 2 }
            """)
        #expect(
            complaints.map { String($0.prefix { $0 != " " }) } == [
                "module.toml:1:14:", "module.toml:1:22:", "module.toml:2:17:", "module.toml:2:25:",
                "module.toml:2:32:",
            ])
    }
}
