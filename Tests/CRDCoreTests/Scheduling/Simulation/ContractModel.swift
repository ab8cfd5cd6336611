// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// The guarantees, written down a second time from the design's sections 5 and 6, and checked
/// against every command of the scheduler.
struct ContractModel {
    private(set) var modules: [ModuleFacts]
    private(set) var slotsInUse = 0
    private(set) var stops = 0
    private(set) var hasExited = false
    private(set) var coverage = Coverage()
    private var slots: Int
    private var lastNumber: UInt64 = 0
    private var spawnsInThisReceive = 0
    /// The triggers that a check's spawn has taken, put back if the check cannot start.
    private var taken: [[TriggerEvent]]
    /// Urgent runs since an interval run last overtook one.
    private var urgentSincePassed = 1

    init(_ policies: [Policy], slots: Int, at now: Instant) {
        modules = policies.map { ModuleFacts($0, at: now) }
        taken = Array(repeating: [], count: policies.count)
        self.slots = slots
    }

    /// G5's bound. With n modules, at most n - 1 are ahead of one, and four urgent runs go for each
    /// timer run: 5n. If a trigger then moves it to the other lane, it waits once more: n and a
    /// quarter.
    private var passedByMax: Int { 7 * modules.count + 4 }

    var isAtRest: Bool { modules.allSatisfy(\.isAtRest) }

    private func name(_ module: ModuleID) -> String { "\(modules[module.index].policy.name)" }

    // MARK: One event and its answer

    mutating func observe(
        _ event: Event, _ commands: [Command], at now: Instant
    ) throws(Violation) {
        spawnsInThisReceive = 0
        try note(event, at: now)
        for command in commands {
            // How a run's end affects its module's health is reported before anything else begins.
            if case .note(_, .health) = command {
            } else if case .conclude = command {
            } else {
                try succeed(at: now)
            }
            try judge(command, at: now)
        }
        try succeed(at: now)
        try judgeDuties(after: event, at: now)
        try judgeSlots()
    }

    private mutating func note(_ event: Event, at now: Instant) throws(Violation) {
        switch event {
        case .started: noteStart(at: now)
        case .elapsed:
            for index in modules.indices { modules[index].noteTime(now) }
        case .triggered(let module, let trigger):
            if modules[module.index].isEnabled, modules[module.index].note(trigger, at: now) {
                coverage.reach(.pauseEndedFromElsewhere)
            }
        case .requested(let module): modules[module.index].owe(.request, at: now)
        case .deafened(let module, let cause, let reason):
            noteDeafness(module, cause, reason, at: now)
        case .rearmed(let module, let cause): noteHearing(module, cause, at: now)
        case .matched, .journalRead: break  // Has a simulation of its own.
        case .paused(let module, let until): modules[module.index].pause(until: until)
        case .resumed(let module): modules[module.index].resume(at: now)
        case .spawned: break
        case .awaitingOutput(let module, let time):
            modules[module.index].run?.noteEnd(at: time)
            if modules[module.index].run?.awaitsOutput == true { coverage.reach(.outputAwaited) }
        case .exited(let module, let termination): try noteExit(module, termination, at: now)
        case .emptied(let module): modules[module.index].run?.duty = .conclude
        case .unable(let module, let reason): noteUnable(module, reason, at: now)
        case .notReady(let module, let reason): noteUnready(module, reason, at: now)
        case .refused(let module, let reason): modules[module.index].run?.noteRefusal(reason)
        case .reloaded(let reload): note(reload, at: now)
        case .stopped: noteStop(at: now)
        }
    }

    private mutating func noteStart(at now: Instant) {
        for index in modules.indices where modules[index].policy.isCheckedAtStart {
            let isAlone = modules[index].isAtRest
            modules[index].owe(.start, at: now)
            modules[index].dueTogether = isAlone && modules[index].isEnabled ? now : nil
        }
    }

    /// G1, G6: what must follow the end of a process.
    private mutating func noteExit(
        _ module: ModuleID, _ termination: Termination, at now: Instant
    ) throws(Violation) {
        let policy = modules[module.index].policy
        guard var run = modules[module.index].run else {
            throw Violation(message: "the world told the end of a run that is not")
        }
        run.noteExit(termination, at: now)
        modules[module.index].failures = 0
        switch (run.force, run.role) {
        case (.none, .check):
            if case .exited(let code) = termination, policy.conditionCodes.contains(code),
                stops == 0
            {
                run.duty = .respond
            } else {
                run.duty = .clear(.kill)
                run.advance(to: .killed, due: now + Scheduler.killPatience)
            }
        case (.none, .response) where policy.leftovers == .keep:
            run.duty = .conclude
        case (.none, .response):
            run.duty = .clear(.terminate)
            run.advance(to: .terminated, due: now + policy.grace)
        case (.terminated, _): run.duty = .clear(nil)
        case (.killed, _), (.stuck, _): run.duty = .clear(.kill)
        }
        modules[module.index].run = run
    }

    private mutating func noteUnable(_ module: ModuleID, _ reason: String, at now: Instant) {
        coverage.reach(.unable)
        guard var run = modules[module.index].run else { return }
        guard run.role == .check else {
            run.isMainAlive = false
            run.response = .unable(reason: reason)
            run.duty = .clear(.kill)
            run.advance(to: .killed, due: now + Scheduler.killPatience)
            modules[module.index].run = run
            return
        }
        slotsInUse -= 1
        let earlier = taken[module.index]
        modules[module.index].retryCause = earlier.isEmpty ? run.cause : .interval
        modules[module.index].unserved = earlier + modules[module.index].unserved
        modules[module.index].endRun(at: now)
        modules[module.index].mustSucceed = true
        expectedHealth[module.index] = .failed(reason: reason)
        modules[module.index].heardAt = now
        modules[module.index].backOff(at: now)
        guard !modules[module.index].isPaused else { return }
        modules[module.index].retryBy = now + modules[module.index].period
    }

    // MARK: Reload (G11)

    private mutating func note(_ reload: Reload, at now: Instant) {
        slots = reload.slots
        for module in reload.removed {
            coverage.reach(modules[module.index].run == nil ? .removed : .removedWhileRunning)
            modules[module.index].change(to: nil, at: now)
        }
        for change in reload.changes {
            let index = change.module.index
            if modules[index].policy.name != change.policy.name {
                coverage.reach(.addedAgain)
                modules[index] = ModuleFacts(change.policy, at: now)
            } else {
                coverage.reach(modules[index].run == nil ? .changed : .changedWhileRunning)
                modules[index].change(to: change.policy, at: now)
            }
            guard change.isEdited else { continue }
            modules[index].forgive(at: now)
            modules[index].forgetEchoes(at: now)
            let isWanted = change.policy.standing == .enabled && change.policy.isCheckedAtStart
            if isWanted { modules[index].owe(.start, at: now) }
        }
    }

    /// A run has ended: what the files say by now takes effect.
    private mutating func succeed(at now: Instant) throws(Violation) {
        for index in modules.indices where modules[index].mustSucceed {
            try judgeHealth(of: index)
            modules[index].succeed(at: now)
        }
    }

    private mutating func judgeHealth(of index: Int) throws(Violation) {
        guard let health = expectedHealth.removeValue(forKey: index) else { return }
        try Violation.unless(
            modules[index].health == health, "health",
            "\(modules[index].policy.name) is \(modules[index].health), not \(health)")
    }

    // MARK: What else happens

    private mutating func noteUnready(_ module: ModuleID, _ reason: String, at now: Instant) {
        guard var run = modules[module.index].run else { return }
        guard run.role == .check else {
            coverage.reach(.unreadyResponse)
            run.isMainAlive = false
            run.response = .notReady(reason: reason)
            run.duty = .clear(.kill)
            run.advance(to: .killed, due: now + Scheduler.killPatience)
            modules[module.index].run = run
            return
        }
        coverage.reach(.unready)
        slotsInUse -= 1
        modules[module.index].endRun(at: now)
        putBack(run, of: module, reason, at: now)
        modules[module.index].mustSucceed = true
    }

    private mutating func putBack(
        _ run: ObservedRun, of module: ModuleID, _ reason: String, at now: Instant
    ) {
        let earlier = taken[module.index]
        modules[module.index].retryCause = earlier.isEmpty ? run.cause : .interval
        modules[module.index].unserved = earlier + modules[module.index].unserved
        modules[module.index].awaitCompletion(at: now)
        if modules[module.index].waits > 30 {
            expectedHealth[module.index] = .failed(reason: reason)
        }
    }

    private mutating func noteDeafness(
        _ module: ModuleID, _ cause: Cause, _ reason: String, at now: Instant
    ) {
        guard stops == 0 else { return }
        modules[module.index].deafen(cause, reason, at: now)
        guard modules[module.index].mustTellDeafness else { return }
        let isPolled = modules[module.index].policy.interval != nil
        coverage.reach(isPolled ? .deaf : .deafWithoutPoll)
    }

    private mutating func noteHearing(_ module: ModuleID, _ cause: Cause, at now: Instant) {
        guard stops == 0 else { return }
        modules[module.index].hearAgain(cause, at: now)
        guard modules[module.index].mustTellDeafness else { return }
        coverage.reach(modules[module.index].run == nil ? .healed : .healedWhileRunning)
    }

    private mutating func noteStop(at now: Instant) {
        stops += 1
        if slotsInUse > 0 { coverage.reach(.stoppedWhileRunning) }
        guard stops == 1 else { return }
        for index in modules.indices {
            modules[index].rearmBy = nil
            guard let run = modules[index].run, run.role == .response, run.force == .none else {
                continue
            }
            let end = now + modules[index].policy.grace
            modules[index].run?.due = min(run.due, end)
        }
    }

    private mutating func judge(_ command: Command, at now: Instant) throws(Violation) {
        switch command {
        case .spawn(let module, .check, let run): try judgeCheck(module, run, at: now)
        case .spawn(let module, .response, let run): try judgeResponse(module, run, at: now)
        case .signal(let module, let signal): try judgeSignal(module, signal, at: now)
        case .clear(let module, let signal): try judgeClear(module, signal, at: now)
        case .conclude(let module, let conclusion):
            try judgeConclusion(module, conclusion, at: now)
        case .note(let module, .health(let health)): try judgeReport(module, health, at: now)
        case .rearm(let module): try judgeRearm(module)
        case .note(let module, .deafness(let deafness)): try judgeDeafness(module, deafness)
        case .note(let module, .selfTriggered(let trigger)):
            try judgeSelfTrigger(module, trigger)
        case .note(_, .entriesPassedOver), .note(_, .keysForgotten), .storeJournalRecords: break
        case .forget(let module):
            try Violation.unless(
                modules[module.index].mustForget, "G11", "\(name(module)) is forgotten")
            modules[module.index].mustForget = false
        case .exit:
            try Violation.unless(
                stops > 0 && !hasExited && slotsInUse == 0, "exit",
                "said after \(stops) stops, with \(slotsInUse) slots in use")
            hasExited = true
        }
    }

    // MARK: The start of a run

    private mutating func judgeCheck(
        _ module: ModuleID, _ run: Run, at now: Instant
    ) throws(Violation) {
        let facts = modules[module.index]
        let name = name(module)
        try Violation.unless(facts.run == nil, "G3", "\(name) has a run under way already")
        slotsInUse += 1
        try Violation.unless(slotsInUse <= slots, "G4", "\(slotsInUse) runs in \(slots) slots")
        try Violation.unless(facts.isEnabled, "standing", "\(name) is not enabled")
        try Violation.unless(!facts.isPaused, "G2", "\(name) is paused")
        try Violation.unless(!facts.mustRearm, "G9", "\(name) looks before it is rearmed")
        try Violation.unless(stops == 0, "stop", "\(name) starts after the daemon was told to end")
        try Violation.unless(run.number > lastNumber, "run", "the number \(run.number) came before")
        lastNumber = run.number
        spawnsInThisReceive += 1
        try Violation.unless(
            facts.mayStart(at: now), "G10",
            """
            \(name) starts without need: \(facts.unserved.count) triggers, forbidden until \
            \(facts.forbiddenUntil.nanoseconds), now \(now.nanoseconds)
            """)
        try judgeOrder(module, facts)
        try judgeCause(run, facts)
        noteDeferral(facts, at: now)
        if facts.deafness != nil && facts.owed == [.interval] { coverage.reach(.polled) }
        let due = now + (facts.policy.timeouts[.check] ?? .zero)
        let served = modules[module.index].begin(ObservedRun(run, due: due, at: now))
        taken[module.index] = served
        try judgeEvents(run.events, served, name)
    }

    /// G5: timer runs that were due together go in name order, and never two in a row before a run
    /// that somebody waits for.
    private mutating func judgeOrder(
        _ module: ModuleID, _ facts: ModuleFacts
    ) throws(Violation) {
        let isForTimerAlone =
            facts.unserved.isEmpty && !facts.owed.contains(.request)
            && (facts.retryBy == nil || facts.retryCause != .request)
        var passesUrgent = false
        for index in modules.indices where index != module.index {
            let other = modules[index]
            if let together = facts.dueTogether, other.dueTogether == together {
                try Violation.unless(
                    facts.policy.name < other.policy.name, "G5",
                    "\(facts.policy.name) starts before \(other.policy.name)")
            }
            guard let passedBy = other.passedBy else { continue }
            modules[index].passedBy = passedBy + 1
            try Violation.unless(
                passedBy < passedByMax, "G5",
                "\(other.policy.name) was passed by \(passedBy + 1) times")
            if other.isUrgent { passesUrgent = true }
        }
        guard isForTimerAlone else {
            urgentSincePassed += 1
            return
        }
        guard passesUrgent else { return }
        coverage.reach(.timerBeforeUrgent)
        try Violation.unless(
            urgentSincePassed > 0, "G5", "two runs of the timer went before a triggered one")
        urgentSincePassed = 0
    }

    private func judgeCause(_ run: Run, _ facts: ModuleFacts) throws(Violation) {
        var allowed = facts.owed
        if let newest = facts.unserved.last {
            allowed = [newest.cause]
        } else if allowed.contains(.request) {
            allowed = [.request]
        } else if facts.retryBy != nil {
            allowed.formUnion([facts.retryCause, .interval])
        }
        try Violation.unless(
            allowed.contains(run.cause), "cause",
            "\(facts.policy.name) starts for \(run.cause), not \(allowed.map(\.rawValue).sorted())")
    }

    /// G2: the newest triggers that fit, in their order, and a count of the others.
    private mutating func judgeEvents(
        _ events: PendingEvents, _ served: [TriggerEvent], _ name: String
    ) throws(Violation) {
        var kept = 0
        var size = 0
        for trigger in served.reversed() {
            size += trigger.line.count + 1
            if kept == 1_024 || size > 1 << 20 { break }
            kept += 1
        }
        if kept < served.count { coverage.reach(.droppedEvents) }
        try Violation.unless(
            events.lines.count == kept && events.dropped == served.count - kept, "G2",
            """
            \(name)'s run has \(events.lines.count) events and \(events.dropped) dropped, \
            of \(served.count), \(kept) of which fit
            """)
        try Violation.unless(
            zip(events.lines, served.suffix(kept)).allSatisfy { $0 == $1.line }
                && events.variables == served.last?.variables ?? [],
            "G2", "\(name)'s run has other events than came")
    }

    private mutating func noteDeferral(_ facts: ModuleFacts, at now: Instant) {
        guard let first = facts.firstTrigger else { return }
        if facts.forbiddenUntil > now {
            coverage.reach(.deferredButTakenAlong)
        } else if facts.unlimitedAt ?? facts.cooledAt > first {
            coverage.reach(.limited)
        } else if facts.areEchoes, facts.quietUntil > max(first, facts.cooledAt) {
            coverage.reach(.echoesWaited)
        } else if facts.cooledAt > first {
            coverage.reach(.cooled)
        } else if let last = facts.lastTrigger, facts.policy.settle > .zero {
            coverage.reach(.settled)
            if last + facts.policy.settle > now { coverage.reach(.settledByBound) }
        }
    }

    private mutating func judgeResponse(
        _ module: ModuleID, _ run: Run, at now: Instant
    ) throws(Violation) {
        let name = name(module)
        guard var observed = modules[module.index].run, case .respond = observed.duty else {
            throw Violation(message: "G1: \(name) responds without a condition")
        }
        try Violation.unless(
            spawnsInThisReceive == 0, "G6", "a run got between \(name)'s check and its response")
        try Violation.unless(
            run.number == observed.number && run.cause == observed.cause
                && run.events.lines.count + run.events.dropped == observed.eventCount,
            "G1", "\(name)'s response belongs to another run than its check")
        spawnsInThisReceive += 1
        coverage.reach(.response)
        if observed.eventCount > 0 { modules[module.index].answered.append(now) }
        observed.duty = .nothing
        observed.role = .response
        observed.roleStarted = now
        observed.isMainAlive = true
        observed.due = now + (modules[module.index].policy.timeouts[.response] ?? .zero)
        modules[module.index].run = observed
    }

    // MARK: The end of a run (G7)

    private mutating func judgeSignal(
        _ module: ModuleID, _ signal: TreeSignal, at now: Instant
    ) throws(Violation) {
        let name = name(module)
        let grace = modules[module.index].policy.grace
        guard var run = modules[module.index].run else {
            throw Violation(message: "G7: \(signal) for \(name), which does not run")
        }
        // A check's leftovers are killed before its response starts.
        if case .respond = run.duty, signal == .kill { return }
        switch (signal, run.force) {
        case (.terminate, .none):
            try Violation.unless(
                !run.awaitsOutput && (run.due <= now || (stops > 0 && run.role == .check)), "G7",
                "\(name) is terminated before its time")
            if stops == 0 { coverage.reach(.timeout) }
            run.verdict = run.verdict ?? (stops == 0 ? .timedOut : .stopped)
            run.advance(to: .terminated, due: now + grace)
        case (.kill, .none), (.kill, .terminated):
            try Violation.unless(
                (run.force == .terminated && run.due <= now) || stops > 1, "G7",
                "\(name) is killed before its time")
            try Violation.unless(run.isMainAlive, "G7", "nobody asks whether \(name) has ended")
            coverage.reach(.kill)
            run.verdict = run.verdict ?? .stopped
            run.advance(to: .killed, due: now + Scheduler.killPatience)
        case (.kill, .killed): break
        case (.kill, .stuck) where run.due <= now && run.isMainAlive:
            run.due = now + Scheduler.stuckPeriod
        default: throw Violation(message: "G7: \(signal) for \(name), which is \(run.force)")
        }
        modules[module.index].run = run
    }

    private mutating func judgeClear(
        _ module: ModuleID, _ signal: TreeSignal?, at now: Instant
    ) throws(Violation) {
        if try judgeRepeatedClear(module, signal, at: now) { return }
        guard case .clear(let wanted)? = modules[module.index].run?.duty, wanted == signal else {
            throw Violation(
                message:
                    "G7: \(name(module)) is cleared with \(signal.map { "\($0)" } ?? "nothing")")
        }
        modules[module.index].run?.duty = .nothing
    }

    /// More force is due for the leftovers of an executable that has ended, and the notice of their
    /// end may have been lost.
    private mutating func judgeRepeatedClear(
        _ module: ModuleID, _ signal: TreeSignal?, at now: Instant
    ) throws(Violation) -> Bool {
        guard var run = modules[module.index].run, case .nothing = run.duty, signal == .kill,
            !run.isMainAlive, run.due <= now || (stops > 1 && run.force == .terminated)
        else { return false }
        switch run.force {
        case .none: return false
        case .terminated:
            coverage.reach(.kill)
            run.advance(to: .killed, due: now + Scheduler.killPatience)
        case .killed: break
        case .stuck:
            coverage.reach(.askedAgain)
            run.due = now + Scheduler.stuckPeriod
        }
        modules[module.index].run = run
        return true
    }

    private mutating func judgeConclusion(
        _ module: ModuleID, _ conclusion: Conclusion, at now: Instant
    ) throws(Violation) {
        guard let run = modules[module.index].run, case .conclude = run.duty, let check = run.check
        else { throw Violation(message: "G7: \(name(module)) has not ended, yet it is concluded") }
        try Violation.unless(
            conclusion.number == run.number && conclusion.cause == run.cause
                && conclusion.check == check && conclusion.checkDuration == run.checkDuration
                && conclusion.response == run.response,
            "run", "\(name(module)) ended as \(run), not as \(conclusion)")
        if !run.isStuck { slotsInUse -= 1 }
        var isServed = check != .stopped
        if case .notReady = run.response { isServed = false }
        modules[module.index].conclude(after: run.checkDuration, isServed: isServed, at: now)
        modules[module.index].mustSucceed = true
        if case .notReady(let reason) = run.response {
            if case .stuck = modules[module.index].health {
                expectedHealth[module.index] = .well
            }
            return putBack(run, of: module, reason, at: now)
        }
        modules[module.index].waits = 0
        let health = healthNow(of: module, after: conclusion)
        if case .erring = health { coverage.reach(.error) }
        expectedHealth[module.index] = health
    }

    // MARK: Health

    /// By module, the health that this receive must report if it is new.
    private var expectedHealth: [Int: Health] = [:]

    private func healthNow(of module: ModuleID, after conclusion: Conclusion) -> Health {
        let facts = modules[module.index]
        if case .unable(let reason) = conclusion.response { return .failed(reason: reason) }
        switch conclusion.check {
        case .stopped: return facts.health
        case .exited(let code)
        where facts.policy.conditionCodes.union(facts.policy.clearCodes).contains(code):
            return .well
        default: return .erring(conclusion.check)
        }
    }

    private mutating func judgeReport(
        _ module: ModuleID, _ health: Health, at now: Instant
    ) throws(Violation) {
        try Violation.unless(
            modules[module.index].health != health, "health", "\(name(module)) is said twice")
        modules[module.index].health = health
        guard case .stuck = health else { return }
        guard let run = modules[module.index].run, health == .stuck(reason: run.refusal) else {
            throw Violation(message: "G7: \(name(module)) is said to be \(health)")
        }
        if run.mustTellRefusal {
            coverage.reach(.refused)
            modules[module.index].run?.mustTellRefusal = false
            return
        }
        guard run.force == .killed, run.due <= now else {
            throw Violation(message: "G7: \(name(module)) is given up too early")
        }
        modules[module.index].run?.advance(to: .stuck, due: now + Scheduler.stuckPeriod)
        slotsInUse -= 1
        coverage.reach(.stuck)
    }

    // MARK: Deafness (G9)

    private mutating func judgeRearm(_ module: ModuleID) throws(Violation) {
        try Violation.unless(
            modules[module.index].mustRearm, "G9", "\(name(module)) is rearmed out of time")
        modules[module.index].mustRearm = false
        if modules[module.index].isPaused { coverage.reach(.rearmedWhilePaused) }
    }

    private mutating func judgeDeafness(
        _ module: ModuleID, _ deafness: Deafness?
    ) throws(Violation) {
        let facts = modules[module.index]
        try Violation.unless(
            facts.mustTellDeafness, "G9", "\(name(module))'s deafness is told again")
        try Violation.unless(
            facts.newDeafness == deafness, "G9", "\(name(module))'s deafness is told wrongly")
        if let deafness, facts.deafness != deafness { coverage.reach(.deafTwice) }
        modules[module.index].mustTellDeafness = false
    }

    // MARK: What comes out of a module's own runs (G10)

    private mutating func judgeSelfTrigger(
        _ module: ModuleID, _ trigger: SelfTrigger
    ) throws(Violation) {
        let facts = modules[module.index]
        try Violation.unless(
            facts.mustTellEchoes && trigger.count == facts.echoRuns, "G10",
            "\(name(module)) is said to trigger itself")
        modules[module.index].noteTelling()
        coverage.reach(.selfTriggerTold)
    }

    // MARK: What must not be left undone

    private mutating func judgeDuties(after event: Event, at now: Instant) throws(Violation) {
        for index in modules.indices {
            let facts = modules[index]
            let name = facts.policy.name
            if let run = facts.run {
                try judgeDuty(run, facts, after: event, at: now)
            }
            try Violation.unless(!facts.mustForget, "G11", "\(name) is not forgotten")
            try Violation.unless(!facts.mustRearm, "G9", "\(name) is not rearmed")
            try Violation.unless(!facts.mustTellDeafness, "G9", "\(name)'s deafness is not told")
            try Violation.unless(
                !facts.mustTellEchoes, "G10", "\(name) triggers itself, which is not told")
            let mustStart = stops == 0 && facts.mustStart
            try Violation.unless(
                !mustStart || slotsInUse >= slots, "G10", "\(name) waits without need")
            modules[index].passedBy = mustStart ? facts.passedBy ?? 0 : nil
        }
    }

    private func judgeDuty(
        _ run: ObservedRun, _ facts: ModuleFacts, after event: Event, at now: Instant
    ) throws(Violation) {
        let name = facts.policy.name
        switch run.duty {
        case .nothing: try Violation.unless(!run.mustTellRefusal, "G7", "\(name) hides a refusal")
        case .respond: throw Violation(message: "G6: \(name)'s response did not start at once")
        case .clear, .conclude: throw Violation(message: "G7: \(name) is not seen to its end")
        }
        switch event {
        case .elapsed:
            try Violation.unless(
                run.due > now || run.awaitsOutput, "G7", "\(name) is \(run.force) for too long")
        case .stopped where stops == 1:
            try Violation.unless(
                run.force != .none || run.role == .response || run.awaitsOutput, "stop",
                "\(name)'s check goes on")
        case .stopped:
            try Violation.unless(run.force >= .killed, "stop", "\(name) goes on")
        default: break
        }
    }

    private func judgeSlots() throws(Violation) {
        let inUse = modules.count { $0.run.map { !$0.isStuck } ?? false }
        try Violation.unless(inUse == slotsInUse, "G4", "\(inUse) runs, \(slotsInUse) slots in use")
        try Violation.unless(
            stops == 0 || slotsInUse > 0 || hasExited, "exit", "not said though all has ended")
    }

    // MARK: What the scheduler shows

    /// When it must be woken, at the latest.
    var wakeNeeded: Instant? {
        if stops > 0 {
            return modules.compactMap { $0.run?.dueUnlessOutput }.min()
        }
        return modules.compactMap { $0.wakeNeeded(hasFreeSlot: slotsInUse < slots) }.min()
    }

    func judge(
        _ status: ModuleStatus, of module: ModuleID, at now: Instant
    ) throws(Violation) {
        let facts = modules[module.index]
        let name = facts.policy.name
        try Violation.unless(
            status.pendingCount == facts.unserved.count, "G2",
            "\(name) keeps \(status.pendingCount) of \(facts.unserved.count) triggers")
        try Violation.unless(
            status.health == facts.health, "health", "\(name) is shown as \(status.health)")
        try Violation.unless(
            status.deafness == facts.deafness, "G9",
            "\(name) is shown as \(status.deafness.map { "\($0)" } ?? "hearing")")
        try Violation.unless(
            facts.deafness?.isPolled != true || stops > 0 || status.nextInterval == facts.rearmBy,
            "G9", "\(name)'s next poll is shown wrongly")
        try Violation.unless(
            !facts.isEnabled || isTrue(status.phase, facts, at: now), "phase",
            "\(name) is shown as \(status.phase)")
    }

    private func hasFailed(_ facts: ModuleFacts) -> Bool {
        guard case .failed = facts.health else { return false }
        return true
    }

    private func isTrue(_ phase: Phase, _ facts: ModuleFacts, at now: Instant) -> Bool {
        switch phase {
        case .idle:
            facts.run == nil && facts.deafness == nil && facts.unserved.isEmpty
                && (facts.owed.isEmpty || stops > 0)
        case .settling, .cooling:
            facts.run == nil && facts.deafness == nil && !facts.unserved.isEmpty && !facts.isPaused
                && (phase == .settling) == (facts.settledAt.map { $0 > now } ?? false)
        case .queued: facts.run == nil && !facts.isPaused
        case .checking: facts.run?.role == .check && facts.run?.isStuck == false
        case .responding: facts.run?.role == .response && facts.run?.isStuck == false
        case .paused: facts.run == nil && (facts.isPaused || stops > 0)
        case .degraded: facts.run == nil && facts.deafness != nil && !facts.isPaused
        case .stuck: facts.run?.isStuck == true
        case .failed, .disabled: facts.run == nil && hasFailed(facts)
        }
    }
}
