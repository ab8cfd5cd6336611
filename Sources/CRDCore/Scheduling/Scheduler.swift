// SPDX-License-Identifier: GPL-3.0-or-later

/// Decides which module runs next. Performs no I/O and reads no clock.
///
/// The daemon's whole policy is here: `receive` takes an event and returns the commands that follow
/// from it, so a simulation can drive it through any order of events and replay it.
///
/// A module rests, waits in the queue, or runs. Its `ModuleState` notes everything that makes a run
/// due (a trigger, the timer, a request). `consider` then queues a resting module whose time has
/// come, and `dispatch` gives the free slots to the first in the queue. A noted reason is kept
/// until a check was spawned for it.
public struct Scheduler: Sendable {
    /// How long a process may survive SIGKILL before its slot is freed for other modules.
    public static let killPatience = Duration.seconds(5)

    /// How often the kernel is asked whether a process that survived SIGKILL is still there.
    public static let stuckPeriod = Duration.seconds(5)

    /// How often, at least, a module is checked while one of its triggers cannot be watched.
    public static let pollPeriod = Duration.seconds(5)

    /// The least time between two reports of a module's evicted keys.
    private static let forgettingPeriod = Duration.seconds(60)

    private enum Ending { case none, asked, announced }

    private var modules: [ModuleState]
    private var deadlines: DeadlineQueue
    private var queue = RunQueue()
    private var slots: Int
    public private(set) var slotsInUse = 0
    private var runsStarted: UInt64 = 0
    private var ending = Ending.none
    private var journal = JournalReading()

    /// - Parameters:
    ///   - policies: the modules; `ModuleID` is the place in this list.
    ///   - slots: how many runs may be under way at once, at least 1.
    ///   - now: the start of the first intervals.
    public init(_ policies: [Policy], slots: Int, at now: Instant) {
        precondition(slots >= 1)
        self.slots = slots
        modules = policies.map { ModuleState(policy: $0, at: now) }
        deadlines = DeadlineQueue(ranks: [])
        sort()
        for module in startOrder { renewDeadline(of: module) }
    }

    /// The modules in name order.
    private var startOrder: [ModuleID] = []

    private mutating func sort() {
        startOrder = modules.indices.filter { !modules[$0].isGone }.map { ModuleID($0) }
        startOrder.sort { modules[$0.index].policy.name < modules[$1.index].policy.name }
        var ranks = Array(repeating: 0, count: modules.count)
        for (rank, module) in startOrder.enumerated() { ranks[module.index] = rank }
        deadlines.rank(ranks)
    }

    /// When to send `Event.elapsed`, if nothing happens before.
    public var nextDeadline: Instant? {
        mutating get {
            guard let store = journal.deadline, ending != .announced else {
                return deadlines.earliest
            }
            return deadlines.earliest.map { min($0, store) } ?? store
        }
    }

    /// Applies an event and returns the commands to perform, in this order.
    public mutating func receive(_ event: Event, at now: Instant) -> [Command] {
        var commands: [Command] = []
        switch event {
        case .started: checkAll(at: now)
        case .elapsed: advanceAllElapsed(at: now, &commands)
        case .triggered(let module, let event): trigger(module, event, at: now)
        case .requested(let module): want(.request, of: module, at: now)
        case .exited(let module, let termination): finish(module, termination, at: now, &commands)
        case .emptied(let module): conclude(module, at: now, &commands)
        case .unable(let module, let reason):
            giveUp(module, .unable(reason: reason), at: now, &commands)
        case .notReady(let module, let reason):
            giveUp(module, .notReady(reason: reason), at: now, &commands)
        case .refused(let module, let reason): noteRefusal(module, reason, &commands)
        case .matched(let module, let match): take(match, for: module, at: now, &commands)
        case .journalRead(let position, let isAtEnd):
            noteRead(position, isAtEnd, at: now, &commands)
        case .deafened(let module, let cause, let reason):
            deafen(module, cause, reason, at: now, &commands)
        case .rearmed(let module, let cause): hearAgain(module, cause, at: now, &commands)
        case .paused(let module, let until): pause(module, until: until)
        case .resumed(let module): resume(module, at: now)
        case .reloaded(let reload): adopt(reload, at: now, &commands)
        case .stopped: stop(at: now, &commands)
        }
        dispatch(at: now, &commands)
        // Last, since storing takes time and somebody may wait for the other commands.
        if ending != .announced, journal.passStore(at: now) {
            commands.append(.storeJournalRecords)
        }
        return commands
    }

    // MARK: Reasons for a run

    private mutating func checkAll(at now: Instant) {
        for module in startOrder where modules[module.index].policy.isCheckedAtStart {
            want(.start, of: module, at: now)
        }
    }

    private mutating func trigger(_ module: ModuleID, _ event: TriggerEvent, at now: Instant) {
        guard modules[module.index].policy.standing == .enabled else { return }
        modules[module.index].add(event, at: now)
        consider(module, at: now)
    }

    /// Notes that a run is due for another reason than triggers. A request replaces another cause.
    private mutating func want(_ cause: Cause, of module: ModuleID, at now: Instant) {
        guard !modules[module.index].isPaused,
            modules[module.index].policy.standing == .enabled
        else { return }
        switch (cause, modules[module.index].wanted) {
        case (.request, _), (_, nil): modules[module.index].wanted = cause
        default: break
        }
        consider(module, at: now)
    }

    private mutating func pause(_ module: ModuleID, until deadline: Instant?) {
        modules[module.index].isPaused = true
        modules[module.index].pausedUntil = deadline
        modules[module.index].wanted = nil
        unqueue(module)
        renewDeadline(of: module)
    }

    /// Ends a pause with a check, which finds what happened during the pause.
    private mutating func resume(_ module: ModuleID, at now: Instant) {
        guard modules[module.index].isPaused else { return }
        modules[module.index].isPaused = false
        modules[module.index].pausedUntil = nil
        want(.request, of: module, at: now)
    }

    // MARK: Reload (G11)

    /// Applies a reload. Modules that it does not mention keep their whole state.
    private mutating func adopt(_ reload: Reload, at now: Instant, _ commands: inout [Command]) {
        slots = reload.slots
        for module in reload.removed {
            unqueue(module)
            modules[module.index].leave()
            renewDeadline(of: module)
            if modules[module.index].isGone { commands.append(.forget(module)) }
        }
        // Reading goes back for modules that are new to the journal. The others hold their own
        // positions, which are further on and must be stored so.
        if !reload.journal.isEmpty {
            for module in startOrder { modules[module.index].journal?.hold(at: journal.position) }
            journal.goBack(reload.catchUp)
        }
        for change in reload.changes {
            adopt(change, from: reload.journal[change.module], at: now)
            if change.isEdited { modules[change.module.index].echoes.forget(at: now) }
        }
        sort()
        for change in reload.changes.sorted(by: { $0.policy.name < $1.policy.name }) {
            look(at: change, at: now)
        }
        for module in reload.untouched {
            guard case .failed = modules[module.index].health else { continue }
            tryAgain(module, at: now)
        }
    }

    private mutating func adopt(
        _ change: Reload.Change, from record: JournalRecord?, at now: Instant
    ) {
        let index = change.module.index
        precondition(index <= modules.count, "a module's number leaves a gap")
        if index == modules.count {
            modules.append(ModuleState(policy: change.policy, at: now))
        } else if modules[index].isGone {
            modules[index] = ModuleState(policy: change.policy, at: now)
        } else {
            modules[index].adopt(change.policy, at: now)
            modules[index].journal?.change(to: change.policy.journal)
            if change.policy.journal.isEmpty { modules[index].journal = nil }
        }
        if let record {
            modules[index].journal = JournalProgress(change.policy.journal, from: record)
        }
    }

    /// Checks an edited module, since earlier changes of its paths, or of what its files refer to,
    /// are unknown.
    private mutating func look(at change: Reload.Change, at now: Instant) {
        let module = change.module
        if change.isEdited && change.policy.standing == .enabled {
            tryAgain(module, isCheckedAtStart: change.policy.isCheckedAtStart, at: now)
        }
        consider(module, at: now)
    }

    private mutating func tryAgain(
        _ module: ModuleID, isCheckedAtStart: Bool? = nil, at now: Instant
    ) {
        modules[module.index].forgiveFailures(at: now)
        if isCheckedAtStart ?? modules[module.index].policy.isCheckedAtStart {
            want(.start, of: module, at: now)
        }
        consider(module, at: now)
    }

    /// Applies pending changes to a module whose run has ended, and considers its next run.
    private mutating func rest(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        modules[module.index].applyPendingPolicy(at: now)
        if modules[module.index].isGone {
            commands.append(.forget(module))
            sort()
        }
        consider(module, at: now)
        announceEnd(&commands)
    }

    // MARK: The journal (G8)

    /// Begins where a former daemon's record ends. Call it before any event of the journal.
    ///
    /// - Parameters:
    ///   - records: the record of each module with journal triggers.
    ///   - catchUp: which of the missed entries are too old; nil: none.
    public mutating func beginJournal(
        from records: [ModuleID: JournalRecord], catchUp: CatchUp?
    ) {
        for (module, record) in records {
            modules[module.index].journal = JournalProgress(
                modules[module.index].policy.journal, from: record)
        }
        journal.catchUp = catchUp
    }

    /// Returns the record to store for a module now, so that no entry is lost whenever the daemon
    /// dies; nil where the module has no journal triggers.
    public func journalRecord(of module: ModuleID) -> JournalRecord? {
        modules[module.index].journal?.record(journal.position)
    }

    /// How far the journal has been read; nil before the first entry.
    public var journalPosition: JournalPosition? { journal.position }

    private mutating func take(
        _ match: JournalMatch, for module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        guard modules[module.index].policy.standing == .enabled else { return }
        if journal.catchUp?.passesOver(match.entry) == true {
            modules[module.index].passedOver += 1
            return
        }
        journal.noteMatch()
        if let event = modules[module.index].journal?.take(match) {
            trigger(module, event, at: now)
        } else {
            // Only counted: the stored position moves past the entry together with the counter.
            journal.wantStore(at: now)
            tellOfForgetting(module, at: now, &commands)
        }
    }

    /// Reports evicted keys, at most once per `forgettingPeriod`.
    private mutating func tellOfForgetting(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        let forgotten = modules[module.index].journal?.forgotten ?? 0
        guard forgotten > modules[module.index].forgottenTold else { return }
        if let told = modules[module.index].forgottenToldAt, told + Self.forgettingPeriod > now {
            return
        }
        modules[module.index].forgottenToldAt = now
        modules[module.index].forgottenTold = forgotten
        commands.append(.reportForgotten(module, count: forgotten))
    }

    private mutating func noteRead(
        _ position: JournalPosition, _ isAtEnd: Bool, at now: Instant,
        _ commands: inout [Command]
    ) {
        journal.advance(to: position, at: now)
        guard isAtEnd, !journal.isCaughtUp else { return }
        journal.isCaughtUp = true
        journal.catchUp = nil
        for module in startOrder {
            modules[module.index].journal?.reachEnd()
            let count = modules[module.index].passedOver
            if count > 0 { commands.append(.reportPassedOver(module, count: count)) }
            modules[module.index].passedOver = 0
        }
    }

    // MARK: Deafness (G9)

    private mutating func deafen(
        _ module: ModuleID, _ cause: Cause, _ reason: String, at now: Instant,
        _ commands: inout [Command]
    ) {
        guard ending == .none, modules[module.index].policy.standing == .enabled,
            let news = modules[module.index].deafen(cause, reason, at: now)
        else { return }
        commands.append(.reportDeafness(module, news))
        renewDeadline(of: module)
    }

    /// Notes that a cause is watched again, and checks modules for which changes may be lost.
    ///
    /// Changes of a path since the last check are unknown, and a run under way may have looked
    /// before them. Other triggers of a module without an interval lose nothing, or report it
    /// themselves.
    private mutating func hearAgain(
        _ module: ModuleID, _ cause: Cause, at now: Instant, _ commands: inout [Command]
    ) {
        guard ending == .none, modules[module.index].hearAgain(cause, at: now) else { return }
        if !modules[module.index].isDeaf { commands.append(.reportDeafness(module, nil)) }
        if modules[module.index].policy.isCheckedAtStart { want(.start, of: module, at: now) }
        renewDeadline(of: module)
    }

    // MARK: Time

    private mutating func advanceAllElapsed(at now: Instant, _ commands: inout [Command]) {
        while let module = deadlines.popElapsed(at: now) {
            advance(module, at: now, &commands)
        }
    }

    private mutating func advance(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        // Field by field: copying the whole state would cost more than everything done here.
        let index = module.index
        if modules[index].isOverdue(at: now) { overrun(module, at: now, &commands) }
        let isRetryPending = modules[index].retryAt != nil
        if let retryAt = modules[index].retryAt, retryAt <= now {
            modules[index].retryAt = nil
            want(modules[index].retryCause, of: module, at: now)
        }
        if let due = modules[index].nextTimedCheck, due <= now {
            // A run under way checks already, and a check that cannot start has its own retry.
            if !modules[index].isRunning && !isRetryPending {
                want(.interval, of: module, at: now)
            }
        }
        if ending == .none, modules[index].passRearm(at: now) { commands.append(.rearm(module)) }
        modules[index].skipElapsedIntervals(at: now)
        if let end = modules[index].pausedUntil, end <= now { resume(module, at: now) }
        consider(module, at: now)
    }

    // MARK: Queue and slots

    /// Queues the module if a run is due and may start, and renews its deadline.
    private mutating func consider(_ module: ModuleID, at now: Instant) {
        defer { renewDeadline(of: module) }
        guard ending == .none else { return }
        guard let lane = modules[module.index].laneWanted(at: now) else {
            // A trigger that came while the module was queued makes it settle again.
            unqueue(module)
            return
        }
        switch (modules[module.index].stage, lane) {
        case (.queued(.interval), .triggered):
            queue.remove(module, from: .interval)
            fallthrough
        case (.resting, _):
            modules[module.index].stage = .queued(lane)
            queue.append(module, to: lane)
        default: break
        }
    }

    private mutating func unqueue(_ module: ModuleID) {
        guard case .queued(let lane) = modules[module.index].stage else { return }
        queue.remove(module, from: lane)
        modules[module.index].stage = .resting
    }

    private mutating func dispatch(at now: Instant, _ commands: inout [Command]) {
        while slotsInUse < slots, let module = queue.removeFirst() {
            slotsInUse += 1
            runsStarted += 1
            let (cause, events) = modules[module.index].take()
            let run = Run(number: runsStarted, cause: cause, events: events)
            let timeout = timeout(of: .check, module)
            modules[module.index].stage = .running(Execution(run: run, timeout: timeout, at: now))
            modules[module.index].echoes.beginRun(at: now)
            renewDeadline(of: module)
            commands.append(.spawn(module, .check, run))
        }
    }

    private mutating func renewDeadline(of module: ModuleID) {
        // While the daemon ends, only running modules have a deadline.
        let deadline =
            ending == .none
            ? modules[module.index].nextDeadline : modules[module.index].execution?.deadline
        deadlines.set(deadline, for: module)
    }

    // MARK: The stages of a run

    private mutating func finish(
        _ module: ModuleID, _ termination: Termination, at now: Instant,
        _ commands: inout [Command]
    ) {
        guard var execution = modules[module.index].execution else {
            preconditionFailure("a module that does not run has ended")
        }
        execution.record(termination, at: now)
        modules[module.index].failures = 0
        modules[module.index].retryAt = nil
        let policy = modules[module.index].policy
        switch (execution.stage, execution.role) {
        case (.working, .check):
            // A leftover process could alter the output that the response reads.
            if conditionHolds(execution, policy) && ending == .none {
                commands.append(.signal(module, .kill))
                respond(module, execution, at: now, &commands)
                return
            }
            execution.enter(.killing, until: now + Self.killPatience)
            commands.append(.clear(module, .kill))
        case (.working, .response):
            if policy.leftovers == .keep {
                modules[module.index].stage = .running(execution)
                conclude(module, at: now, &commands)
                return
            }
            execution.enter(.terminating, until: now + policy.grace)
            commands.append(.clear(module, .terminate))
        case (.terminating, _):
            commands.append(.clear(module, nil))
        case (.killing, _), (.stuck, _):
            commands.append(.clear(module, .kill))
        }
        modules[module.index].stage = .running(execution)
        renewDeadline(of: module)
    }

    /// Returns whether the check itself exited in time with one of the condition codes (G1).
    private func conditionHolds(_ execution: Execution, _ policy: Policy) -> Bool {
        guard case .exited(let code) = execution.check else { return false }
        return policy.conditionCodes.contains(code)
    }

    private mutating func respond(
        _ module: ModuleID, _ checked: Execution, at now: Instant, _ commands: inout [Command]
    ) {
        var execution = checked
        execution.beginResponse(timeout: timeout(of: .response, module), at: now)
        if !execution.run.events.isEmpty { modules[module.index].countTowardsLimit(at: now) }
        modules[module.index].stage = .running(execution)
        renewDeadline(of: module)
        commands.append(.spawn(module, .response, execution.run))
    }

    /// Moves a run whose stage took too long to the next stage.
    private mutating func overrun(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        guard var execution = modules[module.index].execution else { return }
        switch execution.stage {
        case .working:
            execution.forcedTermination = ending == .none ? .timedOut : .stopped
            execution.enter(.terminating, until: now + modules[module.index].policy.grace)
            commands.append(.signal(module, .terminate))
        case .terminating:
            execution.enter(.killing, until: now + Self.killPatience)
            commands.append(execution.command(sending: .kill, to: module))
        case .killing:
            execution.enter(.stuck, until: now + Self.stuckPeriod)
            slotsInUse -= 1
            commands.append(execution.command(sending: .kill, to: module))
            report(.stuck(reason: execution.refusal), of: module, &commands)
        case .stuck:
            // The notice of its end may be lost, and a refused signal may be allowed by now.
            execution.enter(.stuck, until: now + Self.stuckPeriod)
            commands.append(execution.command(sending: .kill, to: module))
        }
        modules[module.index].stage = .running(execution)
        renewDeadline(of: module)
        announceEnd(&commands)
    }

    /// Records the first refusal; further processes of the run are refused for the same reason.
    private mutating func noteRefusal(
        _ module: ModuleID, _ reason: String, _ commands: inout [Command]
    ) {
        guard var execution = modules[module.index].execution, execution.refusal == nil else {
            return
        }
        execution.refusal = reason
        modules[module.index].stage = .running(execution)
        if execution.stage == .stuck { report(.stuck(reason: reason), of: module, &commands) }
    }

    /// Handles a spawn that could not be performed. Without its response a run is over. Without its
    /// check there was no run: it is retried, and its events stay pending.
    ///
    /// - Parameter outcome: the outcome, were it a response.
    private mutating func giveUp(
        _ module: ModuleID, _ outcome: ResponseOutcome, at now: Instant,
        _ commands: inout [Command]
    ) {
        guard var execution = modules[module.index].execution else {
            preconditionFailure("a module that does not run could not be started")
        }
        switch execution.role {
        case .check:
            modules[module.index].stage = .resting
            modules[module.index].echoes.endRun(at: now)
            if execution.stage != .stuck { slotsInUse -= 1 }
            switch outcome {
            case .unable(let reason):
                modules[module.index].retry(execution.run, at: now)
                report(.failed(reason: reason), of: module, &commands)
            case .notReady(let reason):
                putBack(execution.run, of: module, reason, at: now, &commands)
            case .ended: preconditionFailure("what has ended was started")
            }
            rest(module, at: now, &commands)
        case .response:
            execution.response = outcome
            execution.enter(.killing, until: now + Self.killPatience)
            modules[module.index].stage = .running(execution)
            commands.append(.clear(module, .kill))
            renewDeadline(of: module)
        }
    }

    private mutating func conclude(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        guard let execution = modules[module.index].execution else {
            preconditionFailure("a module that does not run was emptied")
        }
        if execution.stage != .stuck { slotsInUse -= 1 }
        let conclusion = execution.conclusion
        modules[module.index].conclude(conclusion, of: execution.run.events, at: now)
        if !execution.run.events.isEmpty && modules[module.index].journal != nil {
            journal.wantStore(at: now)
        }
        commands.append(.conclude(module, conclusion))
        if let reason = conclusion.notReadyReason {
            putBack(execution.run, of: module, reason, at: now, &commands)
        } else {
            report(health(after: conclusion, of: module), of: module, &commands)
        }
        tellOfEchoes(module, execution.run.events, &commands)
        rest(module, at: now, &commands)
    }

    private mutating func tellOfEchoes(
        _ module: ModuleID, _ events: PendingEvents, _ commands: inout [Command]
    ) {
        guard modules[module.index].echoes.passTelling(), let cause = events.cause else { return }
        commands.append(
            .reportSelfTrigger(
                module,
                SelfTrigger(
                    cause: cause, variables: events.variables,
                    count: modules[module.index].echoes.count,
                    longest: modules[module.index].policy.period)))
    }

    /// Puts back a run because an executable is still being written, which is not a fault at first.
    /// The run is repeated when the file may be complete.
    private mutating func putBack(
        _ run: Run, of module: ModuleID, _ reason: String, at now: Instant,
        _ commands: inout [Command]
    ) {
        guard !modules[module.index].wait(for: run, at: now) else { return }
        report(.failed(reason: reason), of: module, &commands)
    }

    private func health(after conclusion: Conclusion, of module: ModuleID) -> Health {
        if case .unable(let reason) = conclusion.response { return .failed(reason: reason) }
        let policy = modules[module.index].policy
        switch conclusion.check {
        case .exited(let code)
        where policy.conditionCodes.contains(code) || policy.clearCodes.contains(code):
            return .well
        case .stopped: return modules[module.index].health
        case let other: return .erring(other)
        }
    }

    private mutating func report(
        _ health: Health, of module: ModuleID, _ commands: inout [Command]
    ) {
        guard modules[module.index].health != health else { return }
        modules[module.index].health = health
        commands.append(.report(module, health))
    }

    private func timeout(of role: Role, _ module: ModuleID) -> Duration {
        guard let timeout = modules[module.index].policy.timeouts[role] else {
            preconditionFailure("no timeout for \(role)")
        }
        return timeout
    }

    // MARK: Stopping

    /// Begins the stop: ends checks at once, since no response may follow them, and gives responses
    /// `grace`.
    private mutating func stop(at now: Instant, _ commands: inout [Command]) {
        let isRepeated = ending != .none
        if !isRepeated { ending = .asked }
        for module in startOrder {
            unqueue(module)
            if isRepeated {
                hasten(module, at: now, &commands)
            } else {
                beginEnd(of: module, at: now, &commands)
            }
            renewDeadline(of: module)
        }
        announceEnd(&commands)
    }

    private mutating func beginEnd(
        of module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        guard var execution = modules[module.index].execution, execution.stage == .working else {
            return
        }
        switch execution.role {
        case .check: overrun(module, at: now, &commands)
        case .response:
            let end = now + modules[module.index].policy.grace
            execution.deadline = min(execution.deadline, end)
            modules[module.index].stage = .running(execution)
        }
    }

    /// Ends a run at once, since the daemon was asked twice to stop.
    private mutating func hasten(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        guard var execution = modules[module.index].execution,
            execution.stage == .working || execution.stage == .terminating
        else { return }
        execution.forcedTermination = execution.forcedTermination ?? .stopped
        execution.enter(.killing, until: now + Self.killPatience)
        modules[module.index].stage = .running(execution)
        commands.append(execution.command(sending: .kill, to: module))
    }

    private mutating func announceEnd(_ commands: inout [Command]) {
        guard ending == .asked, slotsInUse == 0 else { return }
        ending = .announced
        commands.append(.exit)
    }

    // MARK: Status

    public func status(of module: ModuleID, at now: Instant) -> ModuleStatus {
        let state = modules[module.index]
        return ModuleStatus(
            name: state.policy.name, phase: state.phase(at: now), health: state.health,
            deafness: state.deafness, nextInterval: state.nextTimedCheck,
            pendingCount: state.pending.lines.count + state.pending.dropped,
            runs: state.runs, responses: state.responses, last: state.last,
            lastEnded: state.lastEnded)
    }
}
