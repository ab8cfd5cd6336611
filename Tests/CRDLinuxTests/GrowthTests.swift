// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

/// No work visits all modules once for each of them.
@Suite("What grows with the number of modules", .serialized)
struct GrowthTests {
    private func names(_ count: Int) throws -> [ModuleName] {
        try (0..<count).map { try #require(ModuleName("m\($0)")) }
    }

    @Test("which path each of them waits for")
    func missingPaths() throws {
        let ratio = try Growth.ratio(for: 300) { count in
            let source = try PathSource()
            var events: [Event] = []
            source.arm(
                (0..<count).map {
                    (.module(ModuleID($0)), PathTrigger(path: "/nowhere/at/all/\($0)"))
                },
                into: &events)
            var missing = 0
            let cost = Growth.cost {
                for number in 0..<count
                where source.missingPath(of: .module(ModuleID(number))) != nil {
                    missing += 1
                }
            }
            #expect(missing == count)
            return cost
        }
        #expect(ratio < Growth.limit)
    }

    @Test("whose directory a record is about")
    func directories() throws {
        let directory = try TemporaryDirectory()
        let names = try names(1_500)
        for name in names { try directory.make(name.description) }
        let ratio = try Growth.ratio(for: 150) { count in
            var told = 0
            let watch = try DirectorySource { _ in told += 1 }
            for name in names.prefix(count) {
                try watch.watch(directory[name.description], of: name)
            }
            for name in names.prefix(count) {
                let file = directory["\(name)/file"].string
                close(open(file, O_RDONLY | O_CREAT | O_CLOEXEC, 0o600))
                unlink(file)
            }
            let cost = try Growth.cost {
                var events: [Event] = []
                for _ in 0..<count where told < 2 * count { try watch.drain(into: &events) }
                for name in names.prefix(count) { watch.forget(name) }
            }
            #expect(told == 2 * count)
            return cost
        }
        #expect(ratio < Growth.limit)
    }

    @Test("which of them are found not to be ready")
    func unready() throws {
        let names = try names(10_000)
        let ratio = Growth.ratio(for: 1_000) { count in
            var changes = FileChanges()
            return Growth.cost {
                for name in names.prefix(count) {
                    _ = changes.putBack(
                        name, since: .incomplete, at: Instant(nanoseconds: 0))
                }
            }
        }
        #expect(ratio < Growth.limit)
    }
}
