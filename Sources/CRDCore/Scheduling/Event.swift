// SPDX-License-Identifier: GPL-3.0-or-later

/// Everything that can happen to the scheduler.
public enum Event: Sendable {
    /// The daemon is armed: the checks at start are due.
    case started
    /// `Scheduler.nextDeadline` has come.
    case elapsed
    case triggered(ModuleID, TriggerEvent)
    /// A client asked for a run.
    case requested(ModuleID)
    /// The executable of the latest `Command.spawn` was started at this time. That may be later than
    /// the command, since the same turn may have started others before.
    case spawned(ModuleID, at: Instant)
    /// The process spawned last for the module ended at this time, and its output is still being
    /// read. `.exited` follows.
    case awaitingOutput(ModuleID, since: Instant)
    /// The process spawned last for the module has ended, and its output has been read.
    case exited(ModuleID, Termination)
    /// The answer to `Command.clear`: no process of the run is left.
    case emptied(ModuleID)
    /// The answer to a `Command.spawn` that could not be performed.
    case unable(ModuleID, reason: String)
    /// The answer to a `Command.spawn` of an executable that is still being written.
    case notReady(ModuleID, reason: String)
    /// The kernel refused to send SIGKILL to a process of the module's run. The reason says what to
    /// do about it.
    case refused(ModuleID, reason: String)
    /// A journal entry matches a trigger of the module. `.journalRead` follows before anything else
    /// comes from the journal.
    case matched(ModuleID, JournalMatch)
    /// The journal has been read up to this position, and all matches so far were sent. `isAtEnd`
    /// says whether that is its end.
    case journalRead(JournalPosition, isAtEnd: Bool)
    /// All triggers of the module that have this cause cannot be watched. The reason says what to
    /// do about it.
    case deafened(ModuleID, Cause, reason: String)
    /// The module's triggers of this cause are watched again.
    case rearmed(ModuleID, Cause)
    /// No run starts until `.resumed`, or until the deadline.
    case paused(ModuleID, until: Instant?)
    case resumed(ModuleID)
    /// The files were read again; `Reload` has the differences.
    case reloaded(Reload)
    /// The daemon stops: start nothing, let responses finish. A second one ends them at once.
    case stopped
}
