// SPDX-License-Identifier: GPL-3.0-or-later

/// What a module is doing, in the words of `crd list`.
public enum Phase: Hashable, Sendable {
    case idle
    /// Triggered, and waiting until triggers stop coming.
    case settling
    /// Triggered, and held back by its cooldown or its limit.
    case cooling
    /// Waiting for a slot.
    case queued
    case checking
    case responding
    case paused
    /// A trigger cannot be watched; `Deafness` says why.
    case degraded
    /// The module could not be run; `Health` says why.
    case failed
    case disabled
    /// A process of its last run survives SIGKILL.
    case stuck
}
