// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// The triggers of the modules that can run, and the settings that concern them.
struct TriggersInForce {
    let paths: [PathTriggers.Trigger]
    let signals: [(ModuleID, [TriggerSignal])]
    let journal: [JournalTriggers.Module]
    /// The names of modules that cannot run.
    let broken: Set<String>
    let configuration: Configuration
}
