// SPDX-License-Identifier: GPL-3.0-or-later

/// Everything the scheduler can ask of the shell.
public enum Command: Sendable {
    /// Start this executable. Answered by `Event.exited`, `Event.unable` or `Event.notReady`.
    case spawn(ModuleID, Role, Run)
    /// Send the signal to every process of the module's run.
    case signal(ModuleID, TreeSignal)
    /// The main process is gone and no other follows: send the signal to what it left behind,
    /// and answer with `Event.emptied` as soon as nothing is left, perhaps at once. Sent again while
    /// that does not come, since it may have got lost; answered once.
    case clear(ModuleID, TreeSignal?)
    /// The run is over; forget its processes.
    case conclude(ModuleID, Conclusion)
    /// The module's health has changed.
    case report(ModuleID, Health)
    /// Try again to watch what could not be watched. Answered by `Event.rearmed` where that works,
    /// perhaps later; else by nothing, or by `Event.deafened` if there is another reason now.
    case rearm(ModuleID)
    /// The module's own runs seem to trigger it again and again.
    case reportSelfTrigger(ModuleID, SelfTrigger)
    /// The module has become deaf in one more way, or hears all again (nil).
    case reportDeafness(ModuleID, Deafness?)
    /// Entries that matched were too old to be looked at (`CatchUp`).
    case reportPassedOver(ModuleID, count: Int)
    /// There were more keys than can be counted: so many were forgotten, with what was counted of them.
    case reportForgotten(ModuleID, count: Int)
    /// Store `Scheduler.journalRecord` of all modules.
    case storeJournalRecords
    /// The module was removed, and nothing of it is under way: its number is free.
    case forget(ModuleID)
    /// All has ended after `Event.stopped`.
    case exit
}
