// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDModules
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Real directories, read twice.
@Suite("ModuleDifference")
struct ModuleDifferenceTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try directory.make("modules")
        for name in ["Same", "Other"] { try module(name) }
    }

    private func module(_ name: String) throws {
        for role in ["check", "response"] {
            try directory.write("modules/\(name)/\(role)", "#!/bin/sh\n", mode: 0o755)
        }
    }

    private func read() -> [ModuleOnDisk] {
        var configuration = Configuration()
        configuration.modules = directory["modules"].string
        configuration.support = directory["support"].string
        return ModuleDirectories(configuration).contents().modules
    }

    /// What a change makes differ, as `+added ~changed -removed !kept`.
    private func difference(_ change: () throws -> Void) throws -> String {
        let before = read()
        try change()
        let difference = ModuleDifference(
            from: { name in before.first { $0.name == name } }, to: read(),
            among: before.map(\.name))
        let parts =
            difference.added.map { "+\($0.name)" } + difference.changed.map { "~\($0.name)" }
            + difference.removed.map { "-\($0)" } + difference.kept.map { "!\($0.name)" }
        return parts.joined(separator: " ")
    }

    @Test("is none where nothing has changed that matters") func nothing() throws {
        #expect(try difference {} == "")
        #expect(try difference { try directory.write("modules/Same/notes", "x") } == "")
        #expect(
            try difference { try directory.write("modules/Same/module.toml", "# none\n") } == "")
        #expect(try difference { try directory.write("modules/file", "x") } == "")
    }

    @Test("tells what is new, what is gone, and what has changed") func changes() throws {
        #expect(try difference { try module("New") } == "+New")
        #expect(
            try difference { rename(directory["modules/New"].string, directory["New"].string) }
                == "-New")
        let manifest = "modules/Other/module.toml"
        #expect(try difference { try directory.write(manifest, "interval = 5\n") } == "~Other")
        #expect(try difference { try directory.write(manifest, "interval = '5s'\n") } == "")
        #expect(
            try difference {
                try directory.write("modules/Other/check", "#!/bin/sh\n:\n", mode: 0o755)
            } == "~Other")
        let other = directory["modules/Other"].string
        #expect(try difference { chmod("\(other)/response", 0o644) } == "~Other")
    }

    @Test("keeps what was read before a manifest was broken, and lets it go when it is mended")
    func faults() throws {
        let manifest = "modules/Other/module.toml"
        #expect(try difference { try directory.write(manifest, "intervall = 5\n") } == "!Other")
        // A module that was never in effect has nothing to keep.
        #expect(try difference { try directory.write(manifest, "interwall = 5\n") } == "~Other")
        #expect(try difference { try directory.write(manifest, "interval = 5\n") } == "~Other")
        let path = directory["modules/Other"].string
        #expect(try difference { chmod(path, 0o777) } == "!Other")
        #expect(read().first { $0.name.description == "Other" }?.isRefused == true)
        chmod(path, 0o755)
        #expect(read().first { $0.name.description == "Other" }?.isRefused == false)
    }

    @Test("half a copy is told by what is missing, and by who still writes") func halfCopies()
        throws
    {
        func other() throws -> ModuleOnDisk {
            try #require(read().first { $0.name.description == "Other" })
        }
        #expect(try other().unreadiness == nil)
        let response = directory["modules/Other/response"].string
        let writer = open(response, O_WRONLY | O_CLOEXEC)
        #expect(try other().unreadiness == .beingWritten)
        close(writer)
        // It is written between reading and asking.
        let module = try other()
        try directory.write("modules/Other/module.toml", "interval = 7\n")
        #expect(module.unreadiness == .beingWritten)
        #expect(try other().unreadiness == nil)
        unlink(response)
        #expect(try other().unreadiness == .incomplete)
    }
}
