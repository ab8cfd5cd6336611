// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

/// One directory may hold millions of entries, and who moves it into a tree that is watched must not
/// hold the daemon (G15).
@Suite("A directory is looked through in turns")
struct TreeScanTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    @Test("of which each looks at its share, and all together at all")
    func largeDirectory() throws {
        try directory.make("tree")
        try directory.make("large")
        let names = (0..<3 * TreeScan.share).map { "f\($0)" }
        for name in names { try directory.write("large/\(name)", "") }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        var events: [Event] = []
        source.arm([(ModuleID(0), PathTrigger(path: tree, isRecursive: true))], into: &events)
        rename(directory["large"].string, tree + "/large")
        var told: [String] = []
        repeat {
            events = []
            try source.drain(into: &events)
            // The directory's own coming is told as well.
            #expect(events.count <= TreeScan.share + 1)
            told += events.compactMap(Self.name)
        } while source.hasBacklog
        #expect(told.sorted() == (names + ["large"]).sorted())
    }

    @Test("and what is made in it or taken away meanwhile is watched as it is in the end")
    func changedMeanwhile() throws {
        let (tree, large) = (directory["tree"].string, directory["tree/large"].string)
        try directory.make("tree/large")
        let count = 40
        for number in 0..<count { try directory.make("tree/large/d\(number)") }
        let source = try PathSource()
        source.scanShare = 7
        var events: [Event] = []
        source.arm([(ModuleID(0), PathTrigger(path: tree, isRecursive: true))], into: &events)
        #expect(source.watchCount >= count + 2)
        // Away and back makes it looked through again; some go before, some while that goes on.
        rename(large, directory["away"].string)
        for number in 0..<10 { rmdir(directory["away/d\(number)"].string) }
        rename(directory["away"].string, large)
        var turn = 0
        repeat {
            try source.drain(into: &events)
            if turn == 2 {
                for number in 10..<20 { rmdir(large + "/d\(number)") }
                for number in 5..<15 { mkdir(large + "/d\(number)", 0o755) }
            }
            turn += 1
        } while source.hasBacklog || turn < 10
        #expect(turn > 4)
        events = []
        for number in 5..<count where !(15..<20).contains(number) {
            try directory.write("tree/large/d\(number)/new\(number)", "")
        }
        repeat { try source.drain(into: &events) } while source.hasBacklog
        let told = Set(events.compactMap(Self.name))
        let wanted = (5..<count).filter { !(15..<20).contains($0) }.map { "new\($0)" }
        #expect(told.isSuperset(of: wanted))
    }

    private static func name(_ event: Event) -> String? {
        guard case .triggered(_, let trigger) = event else { return nil }
        let path = trigger.variables.first { $0.name == "CRD_PATH" }?.value ?? []
        return path.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) }
    }
}
