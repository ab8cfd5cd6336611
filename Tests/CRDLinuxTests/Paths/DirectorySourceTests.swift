// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

/// On the real kernel.
@Suite("DirectorySource")
struct DirectorySourceTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        for name in ["a", "b"] { try directory.make(name) }
    }

    private final class Told {
        var changes: [String] = []
    }

    private func watch(_ names: [String], _ told: Told) throws -> DirectorySource {
        let watch = try DirectorySource { change in
            told.changes.append(change.map { "\($0.module)/\($0.name)" } ?? "anything")
        }
        for text in names {
            try watch.watch(directory[text], of: #require(ModuleName(text)))
        }
        return watch
    }

    private func drain(_ watch: DirectorySource) throws {
        var events: [Event] = []
        try watch.drain(into: &events)
        #expect(events.isEmpty)
    }

    @Test("tells in which of many something has happened, and to which name") func names() throws {
        let told = Told()
        let watch = try watch(["a", "b"], told)
        try directory.write("b/file", "x")
        _ = rename(directory["b/file"].string, directory["b/other"].string)
        try drain(watch)
        #expect(Set(told.changes) == ["b/file", "b/other"])
        told.changes = []
        _ = chmod(directory["a"].string, 0o700)
        unlink(directory["b/other"].string)
        try drain(watch)
        #expect(told.changes == ["b/other"])
        watch.forget(try #require(ModuleName("b")))
        try directory.write("b/file", "x")
        try drain(watch)
        #expect(told.changes == ["b/other"])
    }

    @Test("follows links, tells all whose directory it is, and lets go of what is gone")
    func links() throws {
        try directory.link("link", to: "a")
        let told = Told()
        let watch = try watch(["a", "link", "missing"], told)
        #expect(Set(watch.modules.map(\.description)) == ["a", "link"])
        try directory.write("a/file", "x")
        try drain(watch)
        #expect(Set(told.changes) == ["a/file", "link/file"])
        // Another directory takes the place of one.
        _ = rename(directory["a"].string, directory["away"].string)
        try directory.make("a")
        try watch.watch(directory["a"], of: #require(ModuleName("a")))
        told.changes = []
        try directory.write("away/other", "x")
        try directory.write("a/new", "x")
        try drain(watch)
        #expect(Set(told.changes) == ["link/other", "a/new"])
        try FileManager.default.removeItem(atPath: directory["away"].string)
        try drain(watch)
        #expect(watch.modules.map(\.description) == ["a"])
    }
}
