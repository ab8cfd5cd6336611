// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import CRDLinux
import Glibc

extension Event {
    var isElapsed: Bool { if case .elapsed = self { true } else { false } }
    var isEmptied: Bool { if case .emptied = self { true } else { false } }
}

/// Ends a wait that would last for ever; its events concern no module.
private final class Alarm: EventSource {
    private let timer: TimerSource
    private(set) var hasRung = false

    init(after span: Duration) throws(SystemCallError) {
        timer = try TimerSource()
        try timer.arm(Clock.now + span)
    }

    var descriptor: CInt { timer.descriptor }

    func drain(into events: inout [Event]) throws(SystemCallError) {
        var mine: [Event] = []
        try timer.drain(into: &mine)
        hasRung = hasRung || !mine.isEmpty
    }
}

extension Reactor {
    /// What happened over many turns.
    struct History {
        var events: [Event] = []
        var failures: [Failure] = []
        var turns = 0
    }

    /// Turns until `isDone` or until the time is up.
    func turn(
        for span: Duration = .seconds(120), until isDone: (History) throws -> Bool = { _ in false }
    ) throws -> History {
        let alarm = try Alarm(after: span)
        let token = try add(alarm)
        defer { remove(token) }
        var history = History()
        while try !isDone(history) && !alarm.hasRung {
            history.failures += try wait(into: &history.events)
            history.turns += 1
        }
        return history
    }
}

/// A pipe whose readiness the test decides.
final class Bell: EventSource {
    private let reading: Descriptor
    private let writing: Descriptor
    private(set) var drained = 0
    var isFinished = false
    /// Called from `drain`.
    var rung: () throws(SystemCallError) -> Void = {}

    init() throws(SystemCallError) {
        var ends: [CInt] = [-1, -1]
        try systemCall("pipe2") { crd_pipe(&ends) }
        reading = Descriptor(adopting: ends[0])
        writing = Descriptor(adopting: ends[1])
    }

    var descriptor: CInt { reading.rawValue }

    func ring() { _ = write(writing.rawValue, "x", 1) }

    func drain(into events: inout [Event]) throws(SystemCallError) {
        drained += 1
        try rung()
        var byte: UInt8 = 0
        _ = read(reading.rawValue, &byte, 1)
    }
}
