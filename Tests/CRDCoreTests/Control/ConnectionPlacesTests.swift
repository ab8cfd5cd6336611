// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("G15: places at the control socket")
struct ConnectionPlacesTests {
    @Test("one user has a few of them, and gets others when its own are free again")
    func oneUser() {
        var places = ConnectionPlaces(roots: [0])
        func take(_ user: UInt32) -> ConnectionPlaces.Refusal? { places.admit(user) }
        for _ in 0..<16 { #expect(take(1_000) == nil) }
        #expect(take(1_000) == .userHasEnough)
        #expect(take(1_001) == nil)
        places.leave(1_000)
        #expect(take(1_000) == nil)
        #expect(take(1_000) == .userHasEnough)
    }

    @Test("all users but root together leave some to root")
    func manyUsers() {
        var places = ConnectionPlaces(roots: [0, 990])
        func take(_ user: UInt32) -> ConnectionPlaces.Refusal? { places.admit(user) }
        for number in 0..<48 { #expect(take(1_000 + UInt32(number) / 16) == nil) }
        #expect(take(2_000) == .othersAreFull)
        for _ in 0..<8 { #expect([take(0), take(990)] == [nil, nil]) }
        #expect(take(0) == .full)
        places.leave(1_002)
        #expect(take(2_000) == nil)
        #expect(take(990) == .full)
    }

    @Test("root may have all of them")
    func root() {
        var places = ConnectionPlaces(roots: [0])
        func take(_ user: UInt32) -> ConnectionPlaces.Refusal? { places.admit(user) }
        for _ in 0..<64 { #expect(take(0) == nil) }
        #expect(take(0) == .full)
        #expect(take(1_000) == .full)
    }
}

@Suite("A line that others can cause")
struct RepeatedLineTests {
    @Test("is logged at once, then once a minute with how often it was caused")
    func counting() {
        var line = RepeatedLine()
        func note(_ now: Instant) -> Int? { line.recordCause(at: now) }
        let start = Instant(nanoseconds: 5_000_000_000)
        #expect(note(start) == 1)
        for second in 1..<60 { #expect(note(start + .seconds(second)) == nil) }
        #expect(note(start + .seconds(60)) == 60)
        #expect(note(start + .seconds(61)) == nil)
        #expect(note(start + .seconds(500)) == 2)
    }
}
