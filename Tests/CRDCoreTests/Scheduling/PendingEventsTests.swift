// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite struct PendingEventsTests {
    private func pending(_ texts: [String]) -> PendingEvents {
        var pending = PendingEvents()
        for text in texts { pending.append(.named(text)) }
        return pending
    }

    private func texts(_ pending: PendingEvents) -> [String] {
        pending.lines.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("G4: the newest 1,024 are kept, the others counted")
    func countIsBounded() {
        let pending = pending((0..<1_030).map { "\($0)" })
        #expect(pending.lines.count == PendingEvents.countMax)
        #expect(pending.dropped == 6)
        #expect(texts(pending).first == "6")
        #expect(texts(pending).last == "1029")
    }

    @Test(
        "G4: the newest MiB is kept, line feeds included",
        arguments: [
            ([1_048_575], 1, 0), ([1_048_576], 0, 1), ([524_287, 524_287], 2, 0),
            ([524_287, 524_288], 1, 1), ([9, 1_048_576, 9], 1, 2),
        ])
    func sizeIsBounded(sizes: [Int], kept: Int, dropped: Int) {
        let pending = pending(sizes.map { String(repeating: "x", count: $0) })
        #expect(pending.lines.count == kept)
        #expect(pending.dropped == dropped)
        #expect(!pending.isEmpty)
    }

    @Test("G4: events that nobody has kept are counted, and what is kept is newer")
    func droppedBefore() {
        var pending = pending(["1", "2"])
        var event = TriggerEvent.named("9")
        event.dropped = 6
        pending.append(event)
        pending.append(.named("10"))
        #expect(texts(pending) == ["9", "10"] && pending.dropped == 8)
    }

    @Test("The variables are those of the newest, even if its line found no room")
    func variablesAreTheNewest() {
        var pending = pending(["old"])
        let long = Array(repeating: UInt8(ascii: "x"), count: PendingEvents.sizeMax)
        let variable = TriggerEvent.Variable(name: "CRD_MESSAGE", value: [1])
        pending.append(
            TriggerEvent(
                cause: .journal, line: long, variables: [variable], readAt: Instant(nanoseconds: 0))
        )
        #expect(pending.cause == .journal)
        #expect(pending.variables == [variable])
    }

    @Test("Taking leaves nothing behind")
    func takeEmpties() {
        var pending = pending(["1", "2"])
        #expect(texts(pending.take()) == ["1", "2"])
        #expect(pending.isEmpty && pending.lines.isEmpty && pending.dropped == 0)
    }

    @Test(
        "G2: what is put back goes before what came since",
        arguments: [
            (["1", "2"], ["3"], ["1", "2", "3"], "3"), ([], ["3"], ["3"], "3"),
            (["1", "2"], [], ["1", "2"], "2"), ([], [], [], nil),
        ] as [([String], [String], [String], String?)])
    func restoredIsOlder(older: [String], newer: [String], both: [String], newest: String?) {
        var pending = pending(newer)
        pending.restore(self.pending(older))
        #expect(texts(pending) == both)
        #expect(pending.variables.first?.value == newest.map { Array($0.utf8) })
        #expect(pending.isEmpty == both.isEmpty)
    }

    @Test("Put back, the bound holds, and there is no gap in what is kept")
    func restoredIsBounded() {
        var full = pending((0..<1_024).map { "\($0)" })
        full.restore(pending(["older"]))
        #expect(full.lines.count == 1_024 && full.dropped == 1)
        var gapped = pending([String(repeating: "x", count: PendingEvents.sizeMax), "newest"])
        gapped.restore(pending(["older"]))
        #expect(texts(gapped) == ["newest"] && gapped.dropped == 2)
    }
}
