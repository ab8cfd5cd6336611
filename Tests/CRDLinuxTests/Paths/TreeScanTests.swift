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
        let names = (0..<1_000).map { "f\($0)" }
        for name in names {
            close(open(directory["large/\(name)"].string, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        }
        let (source, tree) = (try PathSource(), directory["tree"].string)
        source.scanShare = 300
        var events: [Event] = []
        source.arm([(ModuleID(0), PathTrigger(path: tree, isRecursive: true))], into: &events)
        rename(directory["large"].string, tree + "/large")
        var told: [String] = []
        repeat {
            events = []
            try source.drain(into: &events)
            // The directory's own coming is told as well.
            #expect(events.count <= source.scanShare + 1)
            told += events.compactMap(Self.name)
        } while source.hasBacklog
        #expect(told.sorted() == (names + ["large"]).sorted())
    }

    @Test("and one that goes and comes meanwhile is watched in the end", arguments: [0, 1])
    func changedMeanwhile(parity: Int) throws {
        let tree = directory["tree"].string
        for number in 0..<40 { try directory.make("tree/large/d\(number)") }
        let (child, source) = (tree + "/large/d0", try PathSource())
        source.scanShare = 7
        var events: [Event] = []
        // The second depends on the child, which keeps its place whatever becomes of it.
        let triggers = [
            PathTrigger(path: tree, isRecursive: true), PathTrigger(path: child + "/file"),
        ]
        source.arm(triggers.enumerated().map { (ModuleID($0), $1) }, into: &events)
        // Everything is compared with what is known once the kernel's queue was full.
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
        repeat { try source.drain(into: &events) } while source.hasBacklog || isReady(source)
        events = []
        try directory.write("tree/large/d0/new", "")
        repeat { try source.drain(into: &events) } while source.hasBacklog || isReady(source)
        #expect(events.compactMap(Self.name).contains("new"))
    }

    private func isReady(_ source: PathSource) -> Bool {
        var request = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) > 0
    }

    private static func name(_ event: Event) -> String? {
        guard case .triggered(_, let trigger) = event else { return nil }
        let path = trigger.variables.first { $0.name == "CRD_PATH" }?.value ?? []
        return path.split(separator: UInt8(ascii: "/")).last.map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
