// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import DequeModule

/// Targets that wait to be resolved, each once. Their listeners take turns, so that none waits for
/// all of another's.
final class DeferredTargets {
    private var targets: [PathListener: Deque<PathTarget>] = [:]
    /// The listeners with targets, the next one first.
    private var turns = Deque<PathListener>()
    /// Listeners that are to be told of an unknown change when their last target is resolved, with
    /// the target to name.
    private var untold: [PathListener: PathTarget] = [:]

    var isEmpty: Bool { turns.isEmpty }
    var all: some Sequence<PathTarget> { targets.values.joined() }

    func append(_ target: PathTarget, as deferral: PathTarget.Deferral) {
        if deferral == .overflowed && untold[target.listener] == nil {
            untold[target.listener] = target
        }
        guard target.deferral == .none else {
            // A change causes an event of its own.
            if deferral == .changed { target.deferral = .changed }
            return
        }
        target.deferral = deferral
        if targets[target.listener] == nil { turns.append(target.listener) }
        targets[target.listener, default: []].append(target)
    }

    /// Returns the next target, whether it may have changed, and the target by which to tell its
    /// listener of an unknown change afterwards.
    func popFirst() -> (PathTarget, isChanged: Bool, told: PathTarget?)? {
        guard let listener = turns.popFirst(), let target = targets[listener]?.popFirst() else {
            return nil
        }
        let isLast = targets[listener]?.isEmpty != false
        if isLast { targets[listener] = nil } else { turns.append(listener) }
        defer { target.deferral = .none }
        let told = isLast ? untold.removeValue(forKey: listener) : nil
        return (target, target.deferral == .changed, told)
    }

    func remove(_ target: PathTarget) {
        guard target.deferral != .none else { return }
        target.deferral = .none
        targets[target.listener]?.removeAll { $0 === target }
        guard targets[target.listener]?.isEmpty == true else { return }
        targets[target.listener] = nil
        turns.removeAll { $0 == target.listener }
        untold[target.listener] = nil
    }
}
