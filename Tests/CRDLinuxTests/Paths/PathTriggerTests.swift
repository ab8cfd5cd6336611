// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

/// Whole files, because only text has lines and columns.
@Suite("[[trigger.path]]")
struct PathTriggerTests {
    private func decode(_ text: String) throws -> (Manifest, [String]) {
        let root = try TOMLDocument.parse(Array(text.utf8), file: "m")
        let (manifest, diagnostics) = Manifest.decode(
            root, file: "m", compile: Pattern.outline)
        return (manifest, diagnostics.map(\.description))
    }

    /// Decodes a second table with these keys, and a sound path unless they have one.
    private func decodeSecond(_ keys: String) throws -> (Manifest, [String]) {
        let path = keys.contains("path =") ? "" : "path = \"/b\"\n"
        return try decode(
            "[[trigger.path]]\npath = \"/a\"\n[[trigger.path]]\n\(path)\(keys)")
    }

    @Test("takes every key") func everyKey() throws {
        let (manifest, complaints) = try decode(
            """
            interval = "off"
            [[trigger.path]]
            path = "/var/log/custom"
            [[trigger.path]]
            path = "/srv"
            events = ["create", "delete_self", "close"]
            recursive = true
            include = ["*.log", "[0-9]"]
            exclude = ["*.gz"]
            [check]
            timeout = 5
            """)
        #expect(complaints == [])
        #expect(manifest.paths.count == 2)
        #expect(manifest.paths[0] == PathTrigger(path: "/var/log/custom"))
        let second = manifest.paths[1]
        #expect(second.path == "/srv")
        #expect(second.events == [.create, .deleteSelf, .closeWrite, .closeNoWrite])
        #expect(second.isRecursive)
        #expect(second.include.map(\.pattern) == ["*.log", "[0-9]"])
        #expect(second.exclude.map(\.pattern) == ["*.gz"])
    }

    @Test("may be written inline, empty lists and all") func inline() throws {
        let (manifest, complaints) = try decode(
            "trigger.path = [{ path = \"/a\", include = [], exclude = [] }, { path = \"/\" }]")
        #expect(complaints == [])
        #expect(manifest.paths == [PathTrigger(path: "/a"), PathTrigger(path: "/")])
        #expect(try decode("trigger.path = []").0.paths == [])
        #expect(try decode("[trigger]").1 == [])
    }

    @Test(
        "puts the path into one form",
        arguments: [
            ("/", "/"), ("//", "/"), ("/.", "/"), ("/a/", "/a"), ("//a//b/", "/a/b"),
            ("/a/./b/.", "/a/b"), ("/a/.b/c..", "/a/.b/c.."), ("/a/...", "/a/..."),
            ("/é ü", "/é ü"),
        ])
    func normalPath(written: String, path: String) throws {
        let (manifest, complaints) = try decodeSecond("path = '\(written)'")
        #expect(complaints == [])
        #expect(manifest.paths.last?.path == path)
    }

    @Test(
        "knows inotifywait's names",
        arguments: [
            ("access", .access), ("modify", .modify), ("attrib", .attrib),
            ("close_write", .closeWrite), ("close_nowrite", .closeNoWrite), ("open", .open),
            ("moved_from", .movedFrom), ("moved_to", .movedTo), ("create", .create),
            ("delete", .delete), ("delete_self", .deleteSelf), ("move_self", .moveSelf),
            ("unmount", .unmount), ("close", [.closeWrite, .closeNoWrite]),
            ("move", [.movedFrom, .movedTo]),
        ] as [(String, PathEvents)])
    func eventNames(name: String, events: PathEvents) throws {
        let (manifest, complaints) = try decodeSecond("events = [\"\(name)\"]")
        #expect(complaints == [])
        #expect(manifest.paths.last?.events == events)
    }

    static let path = "an absolute path of at most 4095 bytes"
    static let events =
        "a list of events by inotifywait's names, such as [\"create\", \"close_write\"]"
    static let globs = "a list of patterns for names, such as [\"*.log\"]"
    static let known =
        "access, modify, attrib, close_write, close_nowrite, open, moved_from, moved_to, create, "
        + "delete, delete_self, move_self, unmount, close, move"

    @Test(
        "refuses what cannot be, and leaves the other triggers alone",
        arguments: [
            ("path = 5", "4:8: 'trigger.path.path' must be \(path), not an integer"),
            (
                "path = \"log\"",
                "4:8: 'trigger.path.path': \"log\" is not absolute; it must be \(path)"
            ),
            ("path = \"\"", "4:8: 'trigger.path.path': \"\" is not absolute; it must be \(path)"),
            (
                "path = \"/a/../b\"",
                "4:8: 'trigger.path.path': \"/a/../b\" has a component \"..\"; it must be \(path)"
            ),
            (
                "path = \"/a\\u0000\"",
                "4:8: 'trigger.path.path': \"/a\\u{0}\" has a NUL byte; it must be \(path)"
            ),
            ("events = []", "5:10: 'trigger.path.events': an array is empty; it must be \(events)"),
            (
                "events = \"create\"",
                "5:10: 'trigger.path.events' must be \(events), not a string"
            ),
            (
                "events = [\"create\", 1]",
                "5:21: 'trigger.path.events': 1 is not an event name; it must be \(events)"
            ),
            (
                "events = [\"close_wirte\"]",
                "5:11: 'trigger.path.events': \"close_wirte\" is unknown; "
                    + "did you mean \"close_write\"?"
            ),
            (
                "events = [\"CREATE\"]",
                "5:11: 'trigger.path.events': \"CREATE\" is unknown; did you mean \"create\"?"
            ),
            (
                "events = [\"whatever\"]",
                "5:11: 'trigger.path.events': \"whatever\" is unknown; known here: \(known)"
            ),
            (
                "recursive = \"yes\"",
                "5:13: 'trigger.path.recursive' must be true or false, not a string"
            ),
            ("include = \"*.log\"", "5:11: 'trigger.path.include' must be \(globs), not a string"),
            (
                "include = [\"*\", 5]",
                "5:17: 'trigger.path.include': 5 is not a pattern; it must be \(globs)"
            ),
            (
                "include = [\"[a\"]",
                "5:12: 'trigger.path.include': \"[a\" has a '[' without its ']'; it must be \(globs)"
            ),
            (
                "exclude = [\"\", \"*\"]",
                "5:12: 'trigger.path.exclude': \"\" is empty; it must be \(globs)"
            ),
            (
                "exclude = [\"a/b\"]",
                "5:12: 'trigger.path.exclude': \"a/b\" has a slash, but is compared with names, "
                    + "not paths; it must be \(globs)"
            ),
            (
                "recursiv = true",
                "5:1: unknown key 'trigger.path.recursiv'; did you mean 'trigger.path.recursive'?"
            ),
            (
                "zzz = 1",
                "5:1: unknown key 'trigger.path.zzz'; "
                    + "known here: path, events, recursive, include, exclude"
            ),
        ] as [(String, String)])
    func refusing(keys: String, complaint: String) throws {
        let (manifest, complaints) = try decodeSecond(keys)
        #expect(complaints == ["m:\(complaint)"])
        #expect(manifest.paths.first == PathTrigger(path: "/a"))
    }

    @Test(
        "must be tables with a path, begun by double brackets",
        arguments: [
            (
                "[trigger.path]\npath = \"/a\"",
                "1:1: 'trigger.path' must be tables, each begun by [[trigger.path]], not a table"
            ),
            (
                "trigger.path = \"/a\"",
                "1:16: 'trigger.path' must be tables, each begun by [[trigger.path]], not a string"
            ),
            (
                "trigger.path = [\"/a\"]",
                "1:17: 'trigger.path' must be a table, as begun by [[trigger.path]], not a string"
            ),
            (
                "[[trigger]]\npath = \"/a\"",
                "1:1: 'trigger' must be a table, as begun by [trigger], not an array"
            ),
            (
                "[[trigger.path]]\nrecursive = true\n",
                "1:1: 'trigger.path.path' is missing; it must be \(path)"
            ),
            (
                "[[trigger.mount]]",
                "1:11: unknown key 'trigger.mount'; known here: path, signal, journal"
            ),
            (
                "[[trigger.paths]]",
                "1:11: unknown key 'trigger.paths'; did you mean 'trigger.path'?"
            ),
            ("[[triger.path]]", "1:3: unknown key 'triger'; did you mean 'trigger'?"),
        ] as [(String, String)])
    func wrongTables(text: String, complaint: String) throws {
        let (manifest, complaints) = try decode(text)
        #expect(complaints == ["m:\(complaint)"])
        #expect(manifest == Manifest())
    }

    @Test("complains about everything at once, in the order of the source") func allFaults() throws
    {
        let (manifest, complaints) = try decode(
            """
            [[trigger.path]]
            events = ["creat", "remove", "open"]
            [[trigger.path]]
            path = "/b"
            [[trigger.path]]
            path = "c"
            include = ["[", "*", "\\\\"]
            """)
        #expect(
            complaints.map { String($0.prefix { $0 != " " }) } == [
                "m:1:1:", "m:2:11:", "m:2:20:", "m:6:8:", "m:7:12:", "m:7:22:",
            ])
        #expect(manifest.paths == [PathTrigger(path: "/b")])
    }

    @Test("refuses paths that no file can have") func longPath() throws {
        let name = String(repeating: "x", count: 255)
        #expect(try decodeSecond("path = '/\(name)'").1 == [])
        #expect(try decodeSecond("path = '/\(name)x'").1.count == 1)
        let longest = String(repeating: "/\(name)", count: 15) + "/" + name.dropLast()
        #expect(longest.utf8.count == 4_095)
        #expect(try decodeSecond("path = '\(longest)'").1 == [])
        #expect(try decodeSecond("path = '\(longest)x'").1.count == 1)
    }

    @Test("has a module checked at start, whatever its interval") func checkedAtStart() throws {
        let name = try #require(ModuleName("a"))
        for (text, isChecked) in [
            ("interval = \"off\"", false), ("", true),
            ("interval = \"off\"\n[[trigger.path]]\npath = \"/a\"", true),
        ] {
            let policy = Policy(
                name: name, manifest: try decode(text).0, configuration: Configuration())
            #expect(policy.isCheckedAtStart == isChecked, "\(text)")
        }
    }
}
