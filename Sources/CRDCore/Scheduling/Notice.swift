// SPDX-License-Identifier: GPL-3.0-or-later

/// What the core has decided or found about a module, for those who watch it: the log is made of
/// these.
public enum Notice: Sendable {
    /// The module's health has changed.
    case health(Health)
    /// One more cause of the module's triggers cannot be watched, or (nil) all are watched again.
    case deafness(Deafness?)
    /// The module's own runs seem to trigger it repeatedly.
    case selfTriggered(SelfTrigger)
    /// So many matching entries were too old and were skipped (`CatchUp`).
    case entriesPassedOver(Int)
    /// There were too many distinct keys to count; so many were evicted, with their counts.
    case keysForgotten(Int)
}
