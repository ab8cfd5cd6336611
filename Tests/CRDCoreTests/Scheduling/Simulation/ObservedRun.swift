// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// A run as an outsider sees it: what was spawned, what ended, and what must follow.
struct ObservedRun {
    /// How far its end has been forced (G7).
    enum Force: Comparable { case none, terminated, killed, stuck }

    /// What the scheduler must answer before it takes in anything else.
    enum Duty {
        case nothing, respond
        case clear(TreeSignal?)
        case conclude
    }

    let number: UInt64
    let cause: Cause
    let eventCount: Int
    var role = Role.check
    var roleStarted: Instant
    var force = Force.none
    /// When more force is due.
    var due: Instant
    var duty = Duty.nothing
    var isMainAlive = true
    /// When the main process ended, if its output is still being read.
    private var endedAt: Instant?
    /// The end of a process that was ended by force.
    var verdict: Termination?
    var check: Termination?
    var checkDuration = Duration.zero
    var response: ResponseOutcome?
    /// Why the kernel first refused SIGKILL; a run stuck for that must be reported so.
    private(set) var refusal: String?
    var mustTellRefusal = false

    init(_ run: Run, due: Instant, at now: Instant) {
        number = run.number
        cause = run.cause
        eventCount = run.events.lines.count + run.events.dropped
        roleStarted = now
        self.due = due
    }

    var isStuck: Bool { force == .stuck }

    mutating func advance(to force: Force, due: Instant) {
        self.force = force
        self.due = due
    }

    mutating func noteRefusal(_ reason: String) {
        guard refusal == nil else { return }
        refusal = reason
        mustTellRefusal = isStuck
    }

    mutating func noteEnd(at time: Instant) { endedAt = time }

    /// Whether nothing but its output is awaited, so that no deadline holds.
    var awaitsOutput: Bool { endedAt != nil && force == .none }

    var dueUnlessOutput: Instant? { awaitsOutput ? nil : due }

    mutating func noteExit(_ termination: Termination, at now: Instant) {
        isMainAlive = false
        let outcome = verdict ?? termination
        let taken = roleStarted.duration(to: endedAt ?? now)
        endedAt = nil
        switch role {
        case .check: (check, checkDuration) = (outcome, taken)
        case .response: response = .ended(outcome, after: taken)
        }
    }
}
