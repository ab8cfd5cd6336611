// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging

/// The signal triggers of all modules, and the source that receives their signals.
final class SignalTriggers: TriggerHost {
    /// Those that a module may wait for, and others that nobody waits for but whose default action
    /// must not end the daemon.
    static let handledSignals =
        [SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO] + SignalSource.realTime

    /// The modules that wait for each signal.
    private var modules: [TriggerSignal: [ModuleID]] = [:]
    private let reactor: Reactor
    private let logger: Logger
    private let inbox = SignalInbox()
    private var source: SignalSource?

    init(_ triggers: TriggersInForce, reactor: Reactor, logger: Logger) {
        self.reactor = reactor
        self.logger = logger
        enter(triggers)
    }

    private func enter(_ triggers: TriggersInForce) {
        modules = [:]
        for (module, signals) in triggers.signals {
            for signal in signals { modules[signal, default: []].append(module) }
        }
    }

    func arm(into events: inout [Event]) {
        do throws(SystemCallError) {
            let source = try SignalSource(Self.handledSignals, into: inbox)
            _ = try reactor.add(source)
            self.source = source
        } catch {
            deafen(error, into: &events)
        }
    }

    func change(to new: TriggersInForce, _ reload: inout Reload, into events: inout [Event]) {
        enter(new)
        if source == nil { arm(into: &events) }
    }

    func rearm(_ module: ModuleID, into events: inout [Event]) {
        guard source == nil else { return }
        arm(into: &events)
        if source != nil { events += deafModules.map { .rearmed($0, .signal) } }
    }

    func owns(_ source: any EventSource) -> Bool { self.source === source }

    func lose(_ error: SystemCallError, into events: inout [Event]) {
        source = nil
        deafen(error, into: &events)
    }

    private func deafen(_ error: SystemCallError, into events: inout [Event]) {
        events += deafModules.map { .deafened($0, .signal, reason: "\(error)") }
    }

    private var deafModules: [ModuleID] {
        Set(modules.values.joined()).sorted { $0.index < $1.index }
    }

    func settle(into events: inout [Event]) {
        for signal in inbox.take() {
            let triggered = self.events(for: signal)
            events += triggered
            guard triggered.isEmpty else { continue }
            logger.info(
                "signal \(signal.number) from process \(signal.pid) is ignored: no module waits for it"
            )
        }
    }

    /// Returns the events of a signal; none if no module waits for it.
    private func events(for signal: SignalSource.Received) -> [Event] {
        guard let (name, modules) = modules.first(where: { $0.key.number == signal.number }) else {
            return []
        }
        let event = SignalEvent(
            name, pid: signal.pid, uid: signal.uid, value: signal.value
        ).triggerEvent(
            at: Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds),
            readAt: Clock.now)
        return modules.map { .triggered($0, event) }
    }
}
