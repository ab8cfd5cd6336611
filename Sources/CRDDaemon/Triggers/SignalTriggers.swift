// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// The modules that wait for each signal.
struct SignalTriggers {
    private var listeners: [CInt: [ModuleID]] = [:]
    private var names: [CInt: TriggerSignal] = [:]

    init(_ modules: [(ModuleID, [TriggerSignal])]) {
        for (module, signals) in modules {
            for signal in signals {
                listeners[signal.number, default: []].append(module)
                names[signal.number] = signal
            }
        }
    }

    /// Returns the events of a signal; none if no module waits for it.
    func events(for signal: SignalSource.Received) -> [Event] {
        guard let name = names[signal.number], let modules = listeners[signal.number] else {
            return []
        }
        let event = SignalEvent(
            name, pid: signal.pid, uid: signal.uid, value: signal.value
        ).triggerEvent(
            at: Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds))
        return modules.map { .triggered($0, event) }
    }
}
