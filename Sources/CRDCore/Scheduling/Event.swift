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
    /// The answer to a `Command.spawn` of an executable that is still being written.
    case notReady(ModuleID, reason: String)
    /// The kernel refused to send SIGKILL to a process of the module's run. The reason says what to do
    /// about it.
    case refused(ModuleID, reason: String)
    /// An entry of the journal is what a trigger of the module looks out for. Followed by
    /// `.journalRead` before anything else comes from the journal.
    case matched(ModuleID, JournalMatch)
    /// The journal has been read up to here, and all that matched was told; to its end, or there is
    /// more to read.
    case journalRead(JournalPosition, isAtEnd: Bool)
    /// Triggers of the module, all those of one cause, cannot be watched. The reason says what to
    /// do about it.
    case deafened(ModuleID, Cause, reason: String)
    /// The module's triggers of this cause are watched again.
    case rearmed(ModuleID, Cause)
    /// No run starts until `.resumed`, or until the deadline.
    case paused(ModuleID, until: Instant?)
    case resumed(ModuleID)
    /// The files were read again.
    case reloaded(Reload)
    /// End: start nothing, let responses finish. A second one ends them at once.
    case stopped
}
