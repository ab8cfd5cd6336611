// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

/// A directory may hold millions of entries; moving it into a watched tree must not stall the
/// daemon (G15).
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
        let names = (0..<1_000).map { "f\($0)" }
        for name in names {
            close(open(directory["large/\(name)"].string, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        source.scanShare = 300
        var events: [Event] = []
        source.arm(
            [(.module(ModuleID(0)), PathTrigger(path: tree, isRecursive: true))], into: &events)
        rename(directory["large"].string, tree + "/large")
        var told: [String] = []
        repeat {
            events = []
            try source.drain(into: &events)
            // The directory's arrival is told as well.
            #expect(events.count <= source.scanShare + 1)
            told += events.compactMap(Self.name)
        } while source.hasBacklog
        #expect(told.sorted() == (names + ["large"]).sorted())
    }

    @Test("and more of it is watched at once while nobody is served", arguments: [true, false])
    func start(isStart: Bool) throws {
        for number in 0..<100 { try directory.make("tree/d\(number)") }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        source.scanShare = 32
        var events: [Event] = []
        source.arm(
            [(.module(ModuleID(0)), PathTrigger(path: tree, isRecursive: true))],
            isStart: isStart, into: &events)
        #expect((source.watchCount > 100) == isStart)
        try drainAll(source, into: &events)
        #expect(source.watchCount > 100)
        // The module is told that something may have happened, unless all was watched at once.
        #expect(events.isEmpty == isStart)
    }

    @Test("and one that goes and comes meanwhile is watched in the end", arguments: [0, 1])
    func changedMeanwhile(parity: Int) throws {
        let tree = directory["tree"].string
        for number in 0..<40 { try directory.make("tree/large/d\(number)") }
        let (child, source) = (tree + "/large/d0", try PathSource())
        source.scanShare = 7
        var events: [Event] = []
        // The second depends on the child, which keeps its place in any case.
        let triggers = [
            PathTrigger(path: tree, isRecursive: true), PathTrigger(path: child + "/file"),
        ]
        source.arm(triggers.enumerated().map { (.module(ModuleID($0)), $1) }, into: &events)
        // Once the kernel's queue overflows, everything is compared with what is known.
        while source.overflows == 0 {
            for _ in 0..<20_000 {
                close(open(tree + "/full", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
                unlink(tree + "/full")
            }
            repeat {
                try source.drain(into: &events)
            } while source.overflows == 0 && isReady(source)
        }
        var turn = parity
        while source.hasBacklog {
            if turn.isMultiple(of: 2) { rmdir(child) } else { mkdir(child, 0o755) }
            turn += 1
            try source.drain(into: &events)
        }
        #expect(turn > 6)
        mkdir(child, 0o755)
        try drainAll(source, into: &events)
        events = []
        try directory.write("tree/large/d0/new", "")
        try drainAll(source, into: &events)
        #expect(events.compactMap(Self.name).contains("new"))
    }

    @Test("A tree that is renamed is left at once, and dismantled in turns")
    func dismantling() throws {
        for number in 0..<200 { try directory.make("tree/large/d\(number)/x") }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        var events: [Event] = []
        source.arm(
            [(.module(ModuleID(0)), PathTrigger(path: tree, isRecursive: true))], into: &events)
        #expect(source.watchCount > 400)
        source.scanShare = 50
        rename(directory["tree/large"].string, directory["away"].string)
        try source.drain(into: &events)
        #expect(events.compactMap(Self.name) == ["large"])
        #expect(source.hasBacklog && source.watchCount > 300)
        events = []
        for number in 0..<200 { try directory.write("away/d\(number)/x/new", "") }
        try drainAll(source, into: &events)
        #expect(events.isEmpty)
        #expect(source.watchCount < 20)
    }

    @Test("and what its watches were taken from is no shorter for it, however often it is renamed")
    func shareOfRenamed() throws {
        for number in 0..<40 { try directory.make("tree/large/d\(number)") }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        var trigger = PathTrigger(path: tree, isRecursive: true)
        trigger.watchesMax = 41
        var events: [Event] = []
        source.arm([(.module(ModuleID(0)), trigger)], into: &events)
        source.scanShare = 25
        for (from, to) in [("large", "other"), ("other", "third"), ("third", "large")] {
            rename(tree + "/" + from, tree + "/" + to)
            try source.drain(into: &events)
        }
        try drainAll(source, into: &events)
        let deafened = events.filter { if case .deafened = $0 { true } else { false } }
        #expect(deafened.isEmpty)
        events = []
        for number in 0..<40 { try directory.write("tree/large/d\(number)/new", "") }
        try drainAll(source, into: &events)
        #expect(events.compactMap(Self.name).count { $0 == "new" } == 40 * Self.eventsOfFile)
    }

    @Test(
        "A tree too large for one turn is told of once when it is watched", arguments: [1, 4_096])
    func armedLate(share: Int) throws {
        for number in 0..<100 { try directory.make("tree/d\(number)/x") }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        source.scanShare = share
        var events: [Event] = []
        source.arm(
            [(.module(ModuleID(0)), PathTrigger(path: tree, isRecursive: true))], into: &events)
        #expect(source.hasBacklog == (share == 1))
        // The check at the start runs now, and these files come where nothing is watched yet.
        try directory.write("tree/d0/x/new", "")
        try directory.write("tree/d99/x/new", "")
        try drainAll(source, into: &events)
        let unknown = events.count {
            guard case .triggered(_, let trigger) = $0 else { return false }
            return String(decoding: trigger.line, as: UTF8.self).contains("\"overflow\":true")
        }
        #expect(unknown == (share == 1 ? 1 : 0))
        events = []
        for number in 0..<100 { try directory.write("tree/d\(number)/x/later", "") }
        try drainAll(source, into: &events)
        #expect(events.compactMap(Self.name).count { $0 == "later" } == 100 * Self.eventsOfFile)
    }

    @Test("The watched directory itself is dismantled in turns, too")
    func dismantlingTop() throws {
        for number in 0..<400 { try directory.make("tree/d\(number)") }
        let source = try PathSource()
        var events: [Event] = []
        let trigger = PathTrigger(path: directory["tree"].string, isRecursive: true)
        source.arm([(.module(ModuleID(0)), trigger)], into: &events)
        source.scanShare = 50
        rename(directory["tree"].string, directory["away"].string)
        try source.drain(into: &events)
        #expect(source.hasBacklog && source.watchCount > 300)
        rename(directory["away"].string, directory["tree"].string)
        try drainAll(source, into: &events)
        events = []
        for number in 0..<400 { try directory.write("tree/d\(number)/new", "") }
        try drainAll(source, into: &events)
        #expect(events.compactMap(Self.name).count { $0 == "new" } == 400 * Self.eventsOfFile)
    }

    @Test("A tree that is renamed faster than it is scanned leaves nothing behind")
    func renamedFast() throws {
        for number in 0..<300 { try directory.make("tree/x/d\(number)/e") }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        var trigger = PathTrigger(path: tree, isRecursive: true)
        trigger.watchesMax = 2_000
        var events: [Event] = []
        source.arm([(.module(ModuleID(0)), trigger)], into: &events)
        source.scanShare = 6_000
        for turn in 0..<100 {
            rename(tree + (turn % 2 == 0 ? "/x" : "/y"), tree + (turn % 2 == 0 ? "/y" : "/x"))
            try source.drain(into: &events)
            #expect(source.scan.queue.count < 2 * TreeScan.share)
        }
        try drainAll(source, into: &events)
        #expect(source.scan.queue.isEmpty && source.table.retired.isEmpty)
        #expect((600..<620).contains(source.watchCount))
    }

    @Test("What a tree that has gone took is given back while others are dismantled")
    func retiredWatches() throws {
        for number in 0..<300 { try directory.make("tree/x/d\(number)") }
        let source = try PathSource()
        var events: [Event] = []
        let trigger = PathTrigger(path: directory["tree"].string, isRecursive: true)
        source.arm([(.module(ModuleID(0)), trigger)], into: &events)
        (source.table.retiredMax, source.scanShare) = (50, 1)
        rename(directory["tree/x"].string, directory["away"].string)
        var most = 0
        repeat {
            try source.drain(into: &events)
            most = max(most, source.table.retired.count)
        } while source.hasBacklog
        #expect((50..<60).contains(most))
    }

    @Test("Deeper than a tree grows, nothing is watched, and that is said")
    func depth() throws {
        let source = try PathSource()
        var events: [Event] = []
        let trigger = PathTrigger(path: directory.path.string, isRecursive: true)
        source.arm([(.module(ModuleID(0)), trigger)], into: &events)
        let depths = 0..<200
        for depth in depths { mkdir(deep(depth), 0o755) }
        try drainAll(source, into: &events)
        let reasons = events.compactMap { event -> String? in
            if case .deafened(_, _, let reason) = event { reason } else { nil }
        }
        #expect(reasons.count == 1 && reasons[0].contains("more than 128 levels below"))
        events = []
        for depth in [100, 199] {
            close(open(deep(depth) + "/new\(depth)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        }
        try drainAll(source, into: &events)
        #expect(events.compactMap(Self.name) == ["new100", "new100"])
        events = []
        try? FileManager.default.removeItem(atPath: deep(110))
        source.rearm(.module(ModuleID(0)), into: &events)
        try drainAll(source, into: &events)
        #expect(events.contains { if case .rearmed = $0 { true } else { false } })
    }

    @Test("The mounts are asked for before a lookup, and not for each event of a file")
    func mounts() throws {
        try directory.make("tree")
        try directory.make("a/b")
        let map = MountMap()
        let source = try PathSource(mounts: map)
        var events: [Event] = []
        let triggers = [
            PathTrigger(path: directory["tree"].string, isRecursive: true),
            PathTrigger(path: directory["a/b"].string),
        ]
        source.arm(triggers.enumerated().map { (.module(ModuleID($0)), $1) }, into: &events)
        try drainAll(source, into: &events)
        var asked = 0
        map.refresh = {
            asked += 1
            return true
        }
        func asks(_ change: () throws -> Void) throws -> Bool {
            asked = 0
            events = []
            try change()
            try drainAll(source, into: &events)
            #expect(!events.isEmpty)
            return asked > 0
        }
        #expect(try !asks { try directory.write("tree/file", "") })
        // A new one may be a mount point.
        #expect(try asks { try directory.make("tree/new") })
        #expect(try asks { rmdir(directory["a/b"].string) })
    }

    @Test("G15: of thousands of changes in a turn the newest are told, and the others counted")
    func crowd() throws {
        try directory.make("tree")
        let source = try PathSource()
        var events: [Event] = []
        let trigger = PathTrigger(path: directory["tree"].string, events: [.create])
        source.arm(
            [(.module(ModuleID(0)), trigger), (.module(ModuleID(1)), trigger)], into: &events)
        let count = 3_000
        for index in 0..<count { try directory.write("tree/\(index)", "") }
        var pending = [PendingEvents(), PendingEvents()]
        var told = 0
        repeat {
            events = []
            try source.drain(into: &events)
            told += events.count
            for case .triggered(let module, let event) in events {
                pending[module.index].append(event)
            }
        } while source.hasBacklog || !events.isEmpty
        for pending in pending {
            #expect(pending.lines.count == PendingEvents.countMax)
            #expect(pending.lines.count + pending.dropped == count)
            let last = pending.lines.last.map { String(decoding: $0, as: UTF8.self) }
            #expect(last?.contains("tree/\(count - 1)\"") == true)
            let first = pending.lines.first.map { String(decoding: $0, as: UTF8.self) }
            #expect(first?.contains("tree/\(count - 1_024)\"") == true)
        }
        #expect(told <= 2 * count)
    }

    @Test("G15: nothing is looked up while mounts are unknown, and all of it afterwards")
    func unknownMounts() throws {
        try directory.make("tree/a")
        try directory.make("b/c")
        let map = MountMap()
        let source = try PathSource(mounts: map)
        var events: [Event] = []
        let triggers = [
            PathTrigger(path: directory["tree"].string, isRecursive: true),
            PathTrigger(path: directory["b/c"].string, events: [.create]),
        ]
        source.arm(triggers.enumerated().map { (.module(ModuleID($0)), $1) }, into: &events)
        try drainAll(source, into: &events)
        var areKnown = false
        map.refresh = { areKnown }
        func paths(of module: Int) -> Set<String> {
            Set(
                events.compactMap {
                    guard case .triggered(ModuleID(module), let event) = $0 else { return nil }
                    let path = event.variables.first { $0.name == "CRD_PATH" }?.value ?? []
                    return directory.plain(String(decoding: path, as: UTF8.self))
                })
        }
        let lookedUp = source.resolver.namesLookedUp
        try directory.make("tree/a/new")
        try directory.write("tree/a/new/file", "")
        rename(directory["b"].string, directory["away"].string)
        try directory.make("b/c")
        for _ in 0..<10 { try source.drain(into: &events) }
        // What needs no name is told at once.
        #expect(paths(of: 0) == ["BASE/tree/a/new"])
        #expect(paths(of: 1) == [])
        #expect(source.resolver.namesLookedUp == lookedUp && source.hasBacklog)
        areKnown = true
        try drainAll(source, into: &events)
        #expect(paths(of: 0) == ["BASE/tree/a/new", "BASE/tree/a/new/file"])
        #expect(paths(of: 1) == ["BASE/b/c"])
        events = []
        try directory.write("tree/a/new/other", "")
        try directory.write("b/c/file", "")
        try drainAll(source, into: &events)
        #expect(paths(of: 0) == ["BASE/tree/a/new/other"] && paths(of: 1) == ["BASE/b/c/file"])
    }

    private func deep(_ depth: Int) -> String {
        directory.path.string + String(repeating: "/d", count: depth + 1)
    }

    @Test("A path that leads through the same name a thousand times is not followed")
    func linkThroughManyNames() throws {
        try directory.make("a")
        try directory.make("end")
        let source = try PathSource()
        func arm(_ times: Int) throws -> [Event] {
            let link = directory.path.string + "/link\(times)"
            symlink(String(repeating: "a/../", count: times) + "end", link)
            var events: [Event] = []
            source.arm([(.module(ModuleID(times)), PathTrigger(path: link))], into: &events)
            return events
        }
        #expect(try arm(100).isEmpty)
        let refused = try arm(800)
        guard case .deafened(_, _, let reason)? = refused.first else {
            Issue.record("\(refused)")
            return
        }
        #expect(reason.contains("more than 256 names"))
        #expect(source.resolver.node(at: Array(directory["a"].string.utf8))?.passing.count == 2)
    }

    @Test("Targets below a directory that is renamed over and over are resolved once a turn")
    func deferral() throws {
        try directory.make("a/b/c/d/e")
        try directory.write("a/b/c/d/e/file", "")
        let (source, top) = (try PathSource(), directory.path.string)
        var events: [Event] = []
        source.arm(
            [(.module(ModuleID(0)), PathTrigger(path: top + "/a/b/c/d/e/file"))], into: &events)
        for _ in 0..<1_000 {
            rename(top + "/a", top + "/z")
            rename(top + "/z", top + "/a")
        }
        try drainAll(source, into: &events)
        // For each of the 4,000 records the whole path would be looked up.
        #expect(!events.isEmpty && source.resolver.namesLookedUp < 4_000 * 8 / 3)
        events = []
        try directory.write("a/b/c/d/e/file", "changed")
        try drainAll(source, into: &events)
        #expect(!events.isEmpty)
        events = []
        for _ in 0..<1_000 {
            rename(top + "/a", top + "/z")
            rename(top + "/z", top + "/a")
        }
        rename(top + "/a", top + "/z")
        try drainAll(source, into: &events)
        #expect(!events.isEmpty)
        #expect(source.missingPath(of: .module(ModuleID(0))) != nil)
    }

    private func drainAll(_ source: PathSource, into events: inout [Event]) throws {
        repeat { try source.drain(into: &events) } while source.hasBacklog || isReady(source)
    }

    private func isReady(_ source: PathSource) -> Bool {
        var request = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) > 0
    }

    /// A file is created, and closed after writing.
    private static let eventsOfFile = 2

    private static func name(_ event: Event) -> String? {
        guard case .triggered(_, let trigger) = event else { return nil }
        let path = trigger.variables.first { $0.name == "CRD_PATH" }?.value ?? []
        return path.split(separator: UInt8(ascii: "/")).last.map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
