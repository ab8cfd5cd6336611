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
        changes.note(try name("b"), at: at(0))
        changes.note(try name("a"), at: at(0))
        changes.note(try name("late"), at: at(500))
        #expect(changes.deadline == at(1_000))
        #expect(changes.take(at: at(999)) == .nothing)
        #expect(changes.take(at: at(1_000)) == .modules([try name("a"), try name("b")]))
        #expect(changes.take(at: at(1_000)) == .nothing)
        #expect(changes.deadline == at(1_500))
    }

    @Test("that never rest are told after ten seconds all the same") func unrest() throws {
        var changes = FileChanges()
        for time in stride(from: 0, through: 9_900, by: 100) {
            changes.note(try name("a"), at: at(time))
            #expect(changes.take(at: at(time)) == .nothing)
        }
        #expect(changes.deadline == at(10_000))
        #expect(changes.take(at: at(10_000)) == .modules([try name("a")]))
    }

    @Test("of too many, or of nobody knows what, are changes of everything") func everything()
        throws
    {
        var changes = FileChanges()
        for number in 0..<5_000 { changes.note(try name("m\(number)"), at: at(0)) }
        #expect(changes.take(at: at(1_000)) == .everything)
        #expect(changes.deadline == nil, "the single ones are among them")
        changes.note(try name("a"), at: at(2_000))
        changes.noteEverything(at: at(2_100))
        #expect(changes.take(at: at(3_000)) == .modules([try name("a")]))
        #expect(changes.take(at: at(3_100)) == .everything)
    }

    @Test("that are not complete are told again each second, for ten seconds")
    func putBack() throws {
        var changes = FileChanges()
        changes.note(try name("a"), at: at(0))
        for second in 1...10 {
            #expect(changes.take(at: at(second * 1_000)) == .modules([try name("a")]))
            #expect(changes.putBack(try name("a"), at: at(second * 1_000)))
        }
        #expect(changes.take(at: at(11_000)) == .modules([try name("a")]))
        #expect(!changes.putBack(try name("a"), at: at(11_000)))
        #expect(changes.deadline == nil)
        // What was complete for a while gets its time again.
        changes.note(try name("a"), at: at(40_000))
        #expect(changes.take(at: at(41_000)) == .modules([try name("a")]))
        #expect(changes.putBack(try name("a"), at: at(41_000)))
    }
}
