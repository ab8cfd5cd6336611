// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDModules
import Logging

/// Logs the results of runs: a line for each response and for each change of a module's health.
/// Checks whose condition does not hold are logged at debug level only.
struct RunReporter {
    let logger: Logger

    func report(_ conclusion: Conclusion, of module: String, id: String) {
        func metadata(_ role: Role, _ outcome: String) -> Logger.Metadata {
            [
                "module": "\(module)", "run": "\(id)", "trigger": "\(conclusion.cause.rawValue)",
                "role": "\(role.rawValue)", "outcome": "\(outcome)",
            ]
        }
        // Evaluated only for lines that are written; most checks do not write one.
        var circumstances: String {
            "\(conclusion.cause.rawValue), check \(TimeSpan(conclusion.checkDuration.rounded))"
        }
        var story: String { "\(module): condition held (\(circumstances)); response" }
        switch conclusion.response {
        case nil:
            logger.debug(
                "\(module): \(conclusion.check) (\(circumstances))",
                metadata: metadata(.check, "\(conclusion.check)"))
        case .ended(.exited(0), let taken):
            logger.notice(
                "\(story) done in \(TimeSpan(taken.rounded))", metadata: metadata(.response, "done")
            )
        case .ended(let termination, let taken):
            logger.error(
                "\(story) failed after \(TimeSpan(taken.rounded)): \(termination)",
                metadata: metadata(.response, "failed"))
        case .unable(let reason):
            logger.error(
                "\(story) could not start: \(reason)", metadata: metadata(.response, "failed"))
        case .notReady(let reason):
            logger.info(
                "\(story) waits: \(reason); the check runs again in a second",
                metadata: metadata(.response, "not ready"))
        }
    }

    func reportDropped(_ count: Int, of module: String, limit: Int) {
        logger.warning(
            "\(module): check printed \(count) bytes more than the \(limit) that are kept for the response; the excess was dropped: print less, or raise output-max in crd.conf",
            metadata: ["module": "\(module)"])
    }

    func reportSpentShare(of module: String) {
        logger.warning(
            "\(module): has printed more than its share of the log (\(ByteSize(LogAllowance.burst)) at once, \(ByteSize(LogAllowance.rate)) a second from then on); its lines are dropped until there is room again: print less",
            metadata: ["module": "\(module)"])
    }

    /// Reports lines that were dropped since the module had spent its share; nothing for 0.
    func reportMissingLines(_ count: Int, of module: String) {
        guard count > 0 else { return }
        logger.warning(
            "\(module): dropped \(CountedNoun(count, "line")) of its output",
            metadata: ["module": "\(module)"])
    }

    func reportClosedOutput(of module: String, limit: Int) {
        logger.warning(
            "\(module): crd reads the output of processes left by at most \(limit) responses of a module; the oldest output was closed, and its process gets SIGPIPE when it prints; send the output of long-running processes elsewhere, or have the service manager start them",
            metadata: ["module": "\(module)"])
    }

    func report(_ former: ModuleStateDirectories.Former, of module: String) {
        logger.warning("\(module): \(former)", metadata: ["module": "\(module)"])
    }

    // MARK: Notices

    /// - Parameter responseFails: whether the module's latest response failed, so that the module
    ///   is not well even if its check is.
    func report(_ notice: Notice, of module: String, responseFails: Bool) {
        switch notice {
        case .health(let health): report(health, of: module, responseFails: responseFails)
        case .deafness(let deafness): report(deafness, of: module)
        case .selfTriggered(let trigger): report(trigger, of: module)
        case .entriesPassedOver(let count): reportPassedOver(count, of: module)
        case .keysForgotten(let count): reportForgotten(count, of: module)
        }
    }

    private func reportPassedOver(_ count: Int, of module: String) {
        logger.warning(
            "\(module): skipped \(CountedNoun(count, "matching journal entry", "matching journal entries")), logged while crd was down and older than catch-up; raise catch-up in crd.conf to have such entries checked",
            metadata: ["module": "\(module)"])
    }

    private func reportForgotten(_ count: Int, of module: String) {
        logger.warning(
            "\(module): too many distinct keys to count: dropped the counts of \(CountedNoun(count, "key")) so far, the least recent first; count by something with fewer values, or lower 'count'",
            metadata: ["module": "\(module)"])
    }

    private func report(_ health: Health, of module: String, responseFails: Bool) {
        let metadata: Logger.Metadata = ["module": "\(module)"]
        switch health {
        case .well where responseFails:
            logger.notice("\(module): its check works again", metadata: metadata)
        case .well: logger.notice("\(module): well again", metadata: metadata)
        case .erring(let termination):
            logger.warning(
                "\(module): check \(termination.predicate), so whether the condition holds is unknown; no response runs until a check says that it holds",
                metadata: metadata)
        case .failed(let reason):
            logger.error("\(module): cannot run: \(reason)", metadata: metadata)
        case .stuck(let reason):
            let story =
                reason ?? "a process survived SIGKILL (state D, or traced by another process)"
            logger.error(
                "\(module): \(story); its slot is free for other modules, but the module is blocked until the process exits",
                metadata: metadata)
        }
    }

    private func report(_ trigger: SelfTrigger, of module: String) {
        let remedy =
            switch trigger.cause {
            case .path:
                "leave \"access\", \"open\" and \"close_nowrite\" out of its events, and have it write elsewhere or exclude what it writes"
            case .journal:
                "have it print, which triggers nothing, instead of calling logger(1), or match something that it does not log"
            default: "keep its executables from sending the signals that it waits for"
            }
        logger.warning(
            "\(module): seems to trigger itself: each of its last \(trigger.count) runs was caused only by events during the run before, most recently \(Self.newest(of: trigger)); such triggers wait longer each time, up to \(TimeSpan(trigger.longest)); other triggers are served as before; \(remedy)",
            metadata: ["module": "\(module)", "trigger": "\(trigger.cause.rawValue)"])
    }

    private static func newest(of trigger: SelfTrigger) -> String {
        let shown = ["CRD_PATH", "CRD_MESSAGE", "CRD_SIGNAL"]
        guard let value = trigger.variables.first(where: { shown.contains($0.name) })?.value else {
            return "one of cause \(trigger.cause.rawValue)"
        }
        let text = PrintableText.of(String(decoding: value.prefix(200), as: UTF8.self))
        return "\(trigger.cause.rawValue) '\(text)'"
    }

    /// Logs that a module is deaf, or no longer is.
    ///
    /// - Parameter deafness: a new reason why the module is deaf; nil: all its triggers are watched
    ///   again.
    private func report(_ deafness: Deafness?, of module: String) {
        let metadata: Logger.Metadata = ["module": "\(module)"]
        guard let deafness else {
            logger.notice("\(module): all its triggers are watched again", metadata: metadata)
            return
        }
        let period = TimeSpan(Scheduler.pollPeriod)
        if deafness.isPolled {
            logger.warning(
                "\(module): \(deafness.reason); meanwhile it is checked at least every \(period)",
                metadata: metadata)
        } else {
            logger.error(
                "\(module): deaf: \(deafness.reason); its interval is \"off\", so it misses what happens; set an interval, so that it is checked at least every \(period) in the meantime",
                metadata: metadata)
        }
    }
}
