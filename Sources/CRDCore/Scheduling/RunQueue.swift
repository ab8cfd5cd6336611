// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// The modules that wait for a slot, each at most once, in two lanes.
///
/// Triggered runs go first, because somebody waits for them. After `triggeredInARowMax` of them one
/// interval run goes, so that a storm cannot starve the interval checks, which are the safety net.
/// Each lane is first come, first served, so no module can starve another.
struct RunQueue {
    enum Lane { case triggered, interval }

    static let triggeredInARowMax = 4

    private var triggered = Deque<ModuleID>()
    private var interval = Deque<ModuleID>()
    /// How many triggered runs went ahead of a waiting interval run since the last interval run.
    private var triggeredInARow = 0

    var isEmpty: Bool { triggered.isEmpty && interval.isEmpty }

    mutating func append(_ module: ModuleID, to lane: Lane) {
        switch lane {
        case .triggered: triggered.append(module)
        case .interval: interval.append(module)
        }
    }

    mutating func remove(_ module: ModuleID, from lane: Lane) {
        switch lane {
        case .triggered: triggered.removeAll { $0 == module }
        case .interval: interval.removeAll { $0 == module }
        }
    }

    mutating func removeFirst() -> ModuleID? {
        if triggered.isEmpty || (triggeredInARow >= Self.triggeredInARowMax && !interval.isEmpty) {
            triggeredInARow = 0
            return interval.popFirst()
        }
        triggeredInARow = interval.isEmpty ? 0 : triggeredInARow + 1
        return triggered.popFirst()
    }
}
