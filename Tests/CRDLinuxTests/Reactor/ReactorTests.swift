// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("Reactor", .timeLimit(.minutes(10)))
struct ReactorTests {
    private let reactor: Reactor

    init() throws { reactor = try Reactor() }

    @Test("ignores a source that another of the same batch removed") func staleInBatch() throws {
        let bells = [try Bell(), try Bell()]
        let heir = try Bell()
        var tokens = try bells.map { try reactor.add($0) }
        for (index, bell) in bells.enumerated() {
            bell.ring()
            bell.rung = { [reactor] () throws(SystemCallError) in
                reactor.remove(tokens[1 - index])
                // Takes the slot that has just become free.
                tokens[1 - index] = try reactor.add(heir)
            }
        }
        _ = try reactor.turn(for: .milliseconds(50))
        #expect(bells.map(\.drained).reduce(0, +) == 1)
        #expect(heir.drained == 0)
    }

    @Test("a token of a removed source is nobody's") func staleToken() throws {
        let (bell, heir) = (try Bell(), try Bell())
        let stale = try reactor.add(bell)
        reactor.remove(stale)
        _ = try reactor.add(heir)
        reactor.remove(stale)
        try reactor.update(stale)
        bell.ring()
        heir.ring()
        _ = try reactor.turn(for: .milliseconds(50))
        #expect(bell.drained == 0)
        #expect(heir.drained == 1)
    }

    @Test("removes a source that fails, and says so once") func failing() throws {
        let bell = try Bell()
        bell.rung = { () throws(SystemCallError) in
            throw SystemCallError(function: "read", errno: .ioError, subject: "bell")
        }
        _ = try reactor.add(bell)
        bell.ring()
        let history = try reactor.turn(for: .milliseconds(100))
        #expect(history.failures.map(\.error.errno) == [.ioError])
        #expect(history.failures.first?.source === bell)
        #expect(bell.drained == 1)
        #expect(history.turns <= 2)
    }

    @Test("lets go of a source that is finished") func finished() throws {
        let bell = try Bell()
        bell.isFinished = true
        bell.ring()
        bell.ring()
        _ = try reactor.add(bell)
        let history = try reactor.turn(for: .milliseconds(50))
        #expect(bell.drained == 1)
        #expect(history.failures.isEmpty)
    }

    @Test("refuses what it has already, and goes on") func twice() throws {
        let bell = try Bell()
        let token = try reactor.add(bell)
        #expect(throws: SystemCallError.self) { try reactor.add(bell) }
        bell.ring()
        _ = try reactor.turn(for: .milliseconds(50))
        #expect(bell.drained == 1)
        reactor.remove(token)
        _ = try reactor.add(bell)
    }

    @Test("serves thousands, each once, and waits for none that is gone") func thousands() throws {
        let bells = try (0..<300).map { _ in try Bell() }
        var drained = 0
        for round in 0..<20 {
            let tokens = try bells.map { try reactor.add($0) }
            for bell in bells { bell.ring() }
            drained += bells.count
            _ = try reactor.turn { _ in bells.map(\.drained).reduce(0, +) == drained }
            #expect(bells.allSatisfy { $0.drained == round + 1 })
            for token in tokens.shuffled() { reactor.remove(token) }
        }
        for bell in bells { bell.ring() }
        #expect(try reactor.turn(for: .milliseconds(20)).turns == 1)
    }
}
