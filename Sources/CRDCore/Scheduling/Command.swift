// SPDX-License-Identifier: GPL-3.0-or-later

/// Everything that the scheduler can ask of the shell.
public enum Command: Sendable {
    /// Start this executable. Answered by `Event.spawned` and later `Event.exited`, or else by
    /// `Event.unable` or `Event.notReady`.
    case spawn(ModuleID, Role, Run)
    /// Send the signal to every process of the module's run.
    case signal(ModuleID, TreeSignal)
    /// The main process has ended and no other follows. Send the signal to the processes that it
    /// left behind, and answer with `Event.emptied` as soon as none is left, perhaps at once. The
    /// command is repeated while no answer comes, since the answer may be lost; answer only once.
    case clear(ModuleID, TreeSignal?)
    /// The run is over; forget its processes.
    case conclude(ModuleID, Conclusion)
    /// Tell those who watch the module.
    case note(ModuleID, Notice)
    /// Try again to watch the triggers that cannot be watched. Answered by `Event.rearmed` on
    /// success, perhaps later; by `Event.deafened` if there is a new reason; else by nothing.
    case rearm(ModuleID)
    /// Store `Scheduler.journalRecord` of every module.
    case storeJournalRecords
    /// The module was removed, and no run of it is under way: its number is free.
    case forget(ModuleID)
    /// Everything has ended after `Event.stopped`.
    case exit
}
