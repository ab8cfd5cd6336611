// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("LineBacklog")
struct LineBacklogTests {
    private let start = Instant(nanoseconds: 5_000_000_000)

    private func backlog() -> LineBacklog { LineBacklog { Array("dropped \($0)".utf8) } }

    /// Takes all lines, piece by piece.
    private func everything(in backlog: inout LineBacklog, pieces: Int = .max) -> [String] {
        var lines: [String] = []
        var line: [UInt8] = []
        while let next = backlog.next() {
            let piece = next.prefix(pieces)
            line += piece
            if piece.count == next.count {
                lines.append(String(decoding: line, as: UTF8.self))
                line = []
            }
            backlog.advance(by: piece.count, at: start)
        }
        return lines
    }

    @Test("hands out what it was given, whole or in pieces", arguments: [Int.max, 1, 3])
    func order(pieces: Int) {
        var backlog = backlog()
        #expect(backlog.isEmpty)
        for line in ["one", "two", "three"] { backlog.add(Array(line.utf8), at: start) }
        #expect(!backlog.isEmpty)
        #expect(everything(in: &backlog, pieces: pieces) == ["one", "two", "three"])
        #expect(backlog.isEmpty)
    }

    @Test("G4: is bounded, and every line is either there or counted where it is missing")
    func bound() {
        var backlog = backlog()
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000)
        for _ in 0..<10_000 { backlog.add(line, at: start) }
        // One line leaves; that is no reason to accept another.
        backlog.advance(by: line.count, at: start)
        for _ in 0..<10 { backlog.add(line, at: start) }
        var kept = 1
        for _ in 0..<600 where backlog.next() != nil {
            backlog.advance(by: line.count, at: start)
            kept += 1
        }
        backlog.add(Array("late".utf8), at: start)
        let rest = everything(in: &backlog)
        let notices = rest.filter { $0.hasPrefix("dropped ") }
        #expect(notices.count == 1)
        #expect(rest.suffix(2) == [notices.first, "late"])
        kept += rest.count - 2
        let dropped = notices.first.flatMap { Int($0.dropFirst("dropped ".count)) } ?? 0
        #expect(kept + dropped == 10_010)
        #expect(kept * line.count < LineBacklog.sizeMax)
    }

    @Test("reports what is missing without another line, too, once")
    func noticeAlone() {
        var backlog = backlog()
        backlog.drop(7)
        #expect(!backlog.isEmpty)
        #expect(everything(in: &backlog) == ["dropped 7"])
        #expect(backlog.isEmpty)
    }

    @Test("counts what could not be written, the lines behind a notice too")
    func impossible() {
        var backlog = backlog()
        for line in ["one", "two"] {
            backlog.add(Array(line.utf8), at: start)
            #expect(backlog.next() != nil)
            backlog.dropFirst()
        }
        // The notice about the first preceded the second, and could not be written.
        #expect(everything(in: &backlog) == ["two", "dropped 1"])
        backlog.drop(3)
        #expect(backlog.next() != nil)
        backlog.dropFirst()
        backlog.drop(1)
        #expect(everything(in: &backlog) == ["dropped 4"])
    }

    @Test("whoever says more waits for a slow reader, not for one that has stopped")
    func holding() {
        var backlog = backlog()
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 10_000)
        for _ in 0..<50 { backlog.add(line, at: start) }
        #expect(backlog.holdsUntil == nil)
        for _ in 0..<10 { backlog.add(line, at: start) }
        #expect(backlog.holdsUntil == start + .seconds(1))
        backlog.advance(by: 1, at: start + .seconds(5))
        #expect(backlog.holdsUntil == start + .seconds(6))
        for _ in 0..<15 {
            guard let next = backlog.next() else { break }
            backlog.advance(by: next.count, at: start + .seconds(7))
        }
        #expect(backlog.holdsUntil == nil)
    }
}
