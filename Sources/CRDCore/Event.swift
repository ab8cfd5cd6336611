// SPDX-License-Identifier: GPL-3.0-or-later

/// Everything that can happen to the scheduler.
public enum Event: Sendable {
    /// The daemon is armed: look at everything once.
    case started
    /// `Scheduler.nextDeadline` has come.
    case elapsed
    case triggered(ModuleID, TriggerEvent)
    /// Somebody asked for a run.
    case requested(ModuleID)
    /// The process that was spawned last for the module has ended.
    case exited(ModuleID, Termination)
    /// The answer to `Command.clear`: no process of the run is left.
    case emptied(ModuleID)
    /// The answer to a `Command.spawn` that could not be performed.
    case unable(ModuleID, reason: String)
    /// A trigger of the module cannot be watched. The reason says what to do about it.
    case deafened(ModuleID, reason: String)
    /// All triggers of the module are watched again.
    case rearmed(ModuleID)
    /// No run starts until `.resumed`, or until the deadline.
    case paused(ModuleID, until: Instant?)
    case resumed(ModuleID)
    /// End: start nothing, let responses finish. A second one ends them at once.
    case stopped
}
