// SPDX-License-Identifier: GPL-3.0-or-later

@testable import CRDCore

/// A scheduler with its clock in our hand: events go in at a millisecond, commands come out as
/// text such as `check a path 2` (the cause, and how many events). Modules are named in order.
struct Rig {
    private(set) var scheduler: Scheduler
    private var names: [String]

    /// Modules a, b, c ..., each as `policy` makes it.
    init(_ count: Int = 1, slots: Int = 4, policy change: (inout Policy) -> Void = { _ in }) {
        names = Array(["a", "b", "c", "d", "e", "f", "g", "h"].prefix(count))
        let policies = names.map { Policy.named($0, change) }
        scheduler = Scheduler(policies, slots: slots, at: Self.instant(0))
    }

    init(_ policies: [Policy], slots: Int = 4) {
        names = policies.map(\.name.description)
        scheduler = Scheduler(policies, slots: slots, at: Self.instant(0))
    }

    /// Names of modules that come later.
    mutating func learn(_ more: [String]) { names += more }

    static func instant(_ milliseconds: Int) -> Instant {
        Instant(nanoseconds: Int64(milliseconds) * 1_000_000)
    }

    /// - Parameter reading: when the daemon read the event, if that was earlier in its turn.
    mutating func send(
        _ event: Event, at milliseconds: Int, readAt reading: Int? = nil
    ) -> [String] {
        scheduler.receive(
            event.read(at: Self.instant(reading ?? milliseconds)), at: Self.instant(milliseconds)
        ).map(text)
    }

    /// Ends the check at once, with nothing left behind.
    mutating func end(_ module: ModuleID, _ code: UInt8 = 1, at milliseconds: Int) -> [String] {
        send(.exited(module, .exited(code)), at: milliseconds)
            + send(.emptied(module), at: milliseconds)
    }

    /// Sends `elapsed` at the next deadline; its millisecond leads the commands: `at 160`.
    mutating func next() -> [String] {
        guard let deadline = scheduler.nextDeadline else { return [] }
        let milliseconds = Int(deadline.nanoseconds / 1_000_000)
        return ["at \(milliseconds)"] + send(.elapsed, at: milliseconds)
    }

    mutating func withScheduler(_ body: (inout Scheduler) -> Void) {
        body(&scheduler)
    }

    func status(_ module: ModuleID, at milliseconds: Int) -> ModuleStatus {
        scheduler.status(of: module, at: Self.instant(milliseconds))
    }

    private func text(_ command: Command) -> String {
        switch command {
        case .spawn(let module, .check, let run):
            let count = run.events.lines.count + run.events.dropped
            return "check \(names[module.index]) \(run.cause) \(count)"
        case .spawn(let module, .response, _): return "response \(names[module.index])"
        case .signal(let module, let signal): return "\(signal) \(names[module.index])"
        case .clear(let module, let signal):
            return "clear \(names[module.index]) \(signal.map { "\($0)" } ?? "nothing")"
        case .conclude(let module, let conclusion):
            return "conclude \(names[module.index]) \(conclusion.check)"
        case .note(let module, let notice): return text(notice, names[module.index])
        case .rearm(let module): return "rearm \(names[module.index])"
        case .storeJournalRecords: return "store"
        case .forget(let module): return "forget \(names[module.index])"
        case .exit: return "exit"
        }
    }

    private func text(_ notice: Notice, _ name: String) -> String {
        switch notice {
        case .health(let health): "report \(name) \(health.text)"
        case .selfTriggered(let trigger): "\(name) triggers itself \(trigger.count)"
        case .deafness(nil): "\(name) hears again"
        case .deafness(let deafness?): "\(name) is deaf\(deafness.isPolled ? ", polled" : "")"
        case .entriesPassedOver(let count): "\(name) was spared \(count)"
        case .keysForgotten(let count): "\(name) forgets \(count)"
        }
    }
}

extension Health {
    fileprivate var text: String {
        switch self {
        case .well: "well"
        case .erring: "erring"
        case .failed: "failed"
        case .stuck(nil): "stuck"
        case .stuck(let reason?): "stuck: \(reason)"
        }
    }
}

extension Policy {
    /// Polled every 30 s, triggers answered at once.
    static func named(_ name: String, _ change: (inout Policy) -> Void = { _ in }) -> Policy {
        guard let name = ModuleName(name) else { preconditionFailure("'\(name)' is no name") }
        var policy = Policy(name: name, configuration: Configuration())
        policy.interval = .seconds(30)
        policy.cooldown = .fixed(.zero)
        policy.limit = nil
        policy.timeouts = [.check: .seconds(10), .response: .seconds(20)]
        policy.grace = .seconds(5)
        change(&policy)
        return policy
    }
}

extension TriggerEvent {
    static func named(_ text: String, cause: Cause = .path) -> TriggerEvent {
        TriggerEvent(
            cause: cause, line: Array(text.utf8),
            variables: [.init(name: "CRD_PATH", value: Array(text.utf8))],
            readAt: Instant(nanoseconds: 0))
    }
}

extension Event {
    /// The event as the daemon reads it at that time.
    func read(at now: Instant) -> Event {
        switch self {
        case .triggered(let module, var event):
            event.readAt = now
            return .triggered(module, event)
        case .matched(let module, var match):
            match.entry.readAt = now
            return .matched(module, match)
        default: return self
        }
    }

    static func path(_ module: ModuleID) -> Event { .triggered(module, .named("{}")) }
}
