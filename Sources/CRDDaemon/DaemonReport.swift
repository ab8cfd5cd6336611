// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import Logging
import SystemPackage

/// What the daemon and its modules are doing, for those who ask.
struct DaemonReport {
    let scheduler: Scheduler
    let reloader: Reloader
    /// Modules whose latest response failed.
    let failing: Set<ModuleID>
    let paths: PathTriggers
    let journal: JournalTriggers
    let containment: String
    /// In nanoseconds since 1970.
    let started: Int64

    func logStart(to logger: Logger) {
        let members = reloader.inForce.all
        let count = members.count
        let failed = members.count { $0.member.prepared == nil }
        let trouble = failed == 0 ? "" : " (\(failed) failed)"
        logger.notice(
            "started version \(Version.current): \(CountedNoun(count, "module"))\(trouble), every \(TimeSpan(reloader.configuration.interval)), \(CountedNoun(reloader.configuration.slotsInForce, "slot")), processes tracked by \(containment)\(journal.wakeName.map { ", journal wake-up: \($0)" } ?? "")"
        )
        if members.isEmpty {
            logger.warning(
                "there is no module in \(reloader.configuration.modules); a directory with two executables, check and response, makes one"
            )
        }
    }

    /// The status line for `systemctl status`.
    var summary: String {
        let members = reloader.inForce.all
        let count = members.count
        let now = Clock.now
        var phases: [Phase] = []
        var erring = 0
        for (id, _) in members {
            let status = scheduler.status(of: id, at: now)
            phases.append(status.phase)
            if case .erring = status.health { erring += 1 }
        }
        let troubles: [(Phase, String)] = [
            (.failed, "failed"), (.degraded, "degraded"), (.stuck, "stuck"),
            (.disabled, "disabled"),
        ]
        var told = troubles.compactMap { phase, word in
            let number = phases.count { $0 == phase }
            return number == 0 ? nil : "\(number) \(word)"
        }
        if erring > 0 { told.append("\(erring) with a check that ended in an error") }
        if !failing.isEmpty { told.append("\(failing.count) with a response that failed") }
        let outdated = members.count { !$0.member.faults.isEmpty }
        if outdated > 0 {
            told.append("\(outdated) with faulty files, their previous content active")
        }
        if !reloader.fileFaults.isEmpty {
            told.append("crd.conf faulty, its previous content active")
        }
        return "\(CountedNoun(count, "module"))"
            + (told.isEmpty ? ", all well" : ": \(told.joined(separator: ", ")); see crd list")
    }

    /// The answer to `crd list`.
    var listing: ControlInterface.Listing {
        let now = Clock.now
        // Deadlines count from boot; people read calendar time.
        let offset = Clock.realtimeNanoseconds - now.nanoseconds
        func calendar(_ instant: Instant) -> String {
            Timestamp.rfc3339(nanosecondsSince1970: instant.nanoseconds + offset)
        }
        let daemon = ControlInterface.Daemon(
            pid: Int(getpid()), version: Version.current, configuration: reloader.file.path.string,
            slots: reloader.configuration.slotsInForce, running: scheduler.slotsInUse,
            containment: containment,
            started: Timestamp.rfc3339(nanosecondsSince1970: started), overflows: paths.overflows,
            journalWake: journal.wakeName, patternsExceeded: journal.exceeded,
            complaints: reloader.complaints)
        let remedy = reloader.configuration.autoReload ? "" : "; then run: crd reload"
        var shown = reloader.inForce.all.map { id, member in
            ControlInterface.Module(
                member, scheduler.status(of: id, at: now), waitingFor: paths.missingPath(of: id),
                remedy: remedy, calendar: calendar)
        }
        shown += reloader.support.map { ControlInterface.Module(onDisk: $0) }
        shown.sort { $0.name < $1.name }
        return ControlInterface.Listing(daemon: daemon, modules: shown)
    }
}
