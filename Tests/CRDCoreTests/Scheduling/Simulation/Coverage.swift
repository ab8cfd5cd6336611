// SPDX-License-Identifier: GPL-3.0-or-later

/// How often a simulation reached the corners that it should reach, so that its silence means
/// something.
struct Coverage {
    enum Corner: CaseIterable {
        case response, error, timeout, outputAwaited, kill, stuck, askedAgain, refused, unable,
            droppedEvents
        case settled, settledByBound, cooled, limited, deferredButTakenAlong
        case timerBeforeUrgent, stoppedWhileRunning
        case deaf, deafWithoutPoll, polled, rearmedWhilePaused, healed, healedWhileRunning
        case changed, changedWhileRunning, removed, removedWhileRunning, addedAgain
        case unready, unreadyResponse
        case echoesWaited, pauseEndedFromElsewhere, selfTriggerTold, deafTwice
    }

    private var counts: [Corner: Int] = [:]

    var missing: [Corner] { Corner.allCases.filter { counts[$0] == nil } }

    mutating func reach(_ corner: Corner) { counts[corner, default: 0] += 1 }

    mutating func add(_ other: Coverage) {
        counts.merge(other.counts, uniquingKeysWith: +)
    }
}
