// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// The triggers of one kind, of all modules: watches what they wait for, and makes events of it.
///
/// The daemon has a list of hosts and treats them alike.
protocol TriggerHost: AnyObject {
    /// Starts to watch.
    func arm(into events: inout [Event])

    /// Begins nothing new for the triggers in force until `resume`. What has begun is continued in
    /// turns, as always.
    ///
    /// - Returns: whether nothing is left of it, so that the triggers may be replaced.
    func pause() -> Bool

    func resume()

    /// Replaces the triggers. Those that stay the same lose nothing.
    ///
    /// - Parameters:
    ///   - reload: what the scheduler is told of it, before it gets the events.
    func change(to new: TriggersInForce, _ reload: inout Reload, into events: inout [Event])

    /// Retries a module's triggers that cannot be watched.
    func rearm(_ module: ModuleID, into events: inout [Event])

    /// Whether it is this host that watches by the source.
    func owns(_ source: any EventSource) -> Bool

    /// Continues, or reports the modules as deaf, after the source has failed and the reactor has
    /// removed it.
    func lose(_ error: SystemCallError, into events: inout [Event])

    /// Does the rest of each turn of the loop, before its events are processed.
    func settle(into events: inout [Event])

    /// When `settle` has work even if nothing else happens.
    var deadline: Instant? { get }

    /// Does what need not precede the spawns that the turn's events have caused.
    func finishTurn(_ events: [Event])
}

extension TriggerHost {
    func pause() -> Bool { true }
    func resume() {}
    var deadline: Instant? { nil }
    func finishTurn(_ events: [Event]) {}
}
