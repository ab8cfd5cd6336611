// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("Changes of files")
struct FileChangesTests {
    private func name(_ text: String) throws -> ModuleName { try #require(ModuleName(text)) }
    private func at(_ milliseconds: Int) -> Instant { Rig.instant(milliseconds) }

    @Test("are told together when nothing has happened for a second, and once")
    func rest() throws {
        var changes = FileChanges()
        #expect(changes.deadline == nil)
        changes.touch(try name("b"), at: at(0))
        changes.touch(try name("a"), at: at(0))
        changes.touch(try name("late"), at: at(500))
        #expect(changes.deadline == at(1_000))
        #expect(changes.take(at: at(999)) == .nothing)
        #expect(changes.take(at: at(1_000)) == .modules([try name("a"), try name("b")]))
        #expect(changes.take(at: at(1_000)) == .nothing)
        #expect(changes.deadline == at(1_500))
    }

    @Test("that never rest are told after ten seconds all the same") func unrest() throws {
        var changes = FileChanges()
        for time in stride(from: 0, through: 9_900, by: 100) {
            changes.touch(try name("a"), at: at(time))
            #expect(changes.take(at: at(time)) == .nothing)
        }
        #expect(changes.deadline == at(10_000))
        #expect(changes.take(at: at(10_000)) == .modules([try name("a")]))
    }

    @Test("of too many, or of nobody knows what, are changes of everything") func everything()
        throws
    {
        var changes = FileChanges()
        for number in 0..<5_000 { changes.touch(try name("m\(number)"), at: at(0)) }
        #expect(changes.take(at: at(1_000)) == .allModules)
        #expect(changes.deadline == nil, "the single ones are among them")
        changes.touch(try name("a"), at: at(2_000))
        changes.touchEverything(at: at(2_100))
        #expect(changes.take(at: at(3_000)) == .modules([try name("a")]))
        #expect(changes.take(at: at(3_100)) == .allModules)
    }

    @Test("that are not complete are told again each second, for ten seconds")
    func putBack() throws {
        var changes = FileChanges()
        changes.touch(try name("a"), at: at(0))
        for second in 1...10 {
            #expect(changes.take(at: at(second * 1_000)) == .modules([try name("a")]))
            #expect(changes.putBack(try name("a"), since: .incomplete, at: at(second * 1_000)))
        }
        #expect(changes.take(at: at(11_000)) == .modules([try name("a")]))
        #expect(!changes.putBack(try name("a"), since: .incomplete, at: at(11_000)))
        #expect(changes.deadline == nil)
        // A module complete for a while gets its time again.
        changes.touch(try name("a"), at: at(40_000))
        #expect(changes.take(at: at(41_000)) == .modules([try name("a")]))
        #expect(changes.putBack(try name("a"), since: .incomplete, at: at(41_000)))
    }

    @Test("get the time that each reason gives them, whatever they lacked before")
    func reasons() throws {
        for why in FileChanges.Unreadiness.allCases {
            var changes = FileChanges()
            let other: FileChanges.Unreadiness = why == .incomplete ? .stalled : .incomplete
            for second in 0...10 {
                _ = changes.putBack(try name("a"), since: other, at: at(second * 1_000))
            }
            let patience = Int(why.patience.components.seconds)
            for second in 0..<patience {
                #expect(
                    changes.putBack(try name("a"), since: why, at: at((11 + second) * 1_000)),
                    "\(why) after \(second) s")
            }
            #expect(!changes.putBack(try name("a"), since: why, at: at((11 + patience) * 1_000)))
        }
    }

    /// Takes the module whenever it is due; returns when it was let in.
    private func letIn(
        _ changes: inout FileChanges, mayRunAlready: Bool = false, edits: [Int] = []
    ) throws -> Int? {
        for time in stride(from: 0, through: 200_000, by: 100) {
            if edits.contains(time) { changes.touch(try name("a"), at: at(time)) }
            guard changes.take(at: at(time)) == .modules([try name("a")]) else { continue }
            if !changes.awaitsManifest(
                try name("a"), mayRunAlready: mayRunAlready, at: at(time))
            {
                changes.settle([try name("a")], except: [])
                return time
            }
        }
        return nil
    }

    @Test("that left no manifest are told again when nothing has happened for ten seconds")
    func manifest() throws {
        var changes = FileChanges()
        changes.touch(try name("a"), .inPlace, at: at(0))
        #expect(try letIn(&changes, edits: [400, 3_000, 7_000]) == 17_000)
        // Never for ever, whatever happens.
        changes = FileChanges()
        changes.touch(try name("a"), .inPlace, at: at(0))
        let end = try #require(
            try letIn(&changes, edits: Array(stride(from: 0, to: 150_000, by: 500))))
        #expect((100_000...110_000).contains(end))
        // Its arrival was not seen.
        changes = FileChanges()
        changes.touch(try name("a"), at: at(0))
        #expect(try letIn(&changes) == 10_000)
        // It is active already, unless it was made anew.
        #expect(try letIn(&changes, mayRunAlready: true, edits: [0]) == 1_000)
        changes.touch(try name("a"), .inPlace, at: at(0))
        #expect(try letIn(&changes, mayRunAlready: true) == 10_000)
    }

    @Test("of what was moved into place whole wait for no manifest") func whole() throws {
        var changes = FileChanges()
        changes.touch(try name("a"), .whole, at: at(0))
        #expect(try letIn(&changes) == 1_000)
        // A module taken in, gone, or filled later must be moved anew.
        changes.touch(try name("a"), at: at(0))
        #expect(try letIn(&changes) == 10_000)
        for arrival in [FileChanges.Arrival.inPlace, nil] {
            changes.touch(try name("a"), .whole, at: at(0))
            changes.touch(try name("a"), arrival, at: at(0))
            #expect(try letIn(&changes) == 10_000)
        }
        changes.touch(try name("a"), .whole, at: at(0))
        #expect(changes.putBack(try name("a"), since: .incomplete, at: at(0)))
        #expect(try letIn(&changes) == 10_000)
    }
}
