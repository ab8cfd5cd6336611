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
        startOrder = modules.indices.map { ModuleID($0) }.filter { !modules[$0].isGone }
        startOrder.sort { modules[$0].policy.name < modules[$1].policy.name }
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
        case .spawned(let module, let time):
            change(module, &commands) {
                $0.start(at: time)
                return []
            }
        case .awaitingOutput(let module, let time):
            change(module, &commands) {
                $0.awaitOutput(since: time)
                return []
            }
        case .exited(let module, let termination): end(module, termination, at: now, &commands)
        case .emptied(let module): conclude(module, at: now, &commands)
        case .unable(let module, let reason):
            forgo(module, .unable(reason: reason), at: now, &commands)
        case .notReady(let module, let reason):
            forgo(module, .notReady(reason: reason), at: now, &commands)
        case .refused(let module, let reason): refuse(module, reason, &commands)
        case .matched(let module, let match): receive(match, for: module, at: now, &commands)
        case .journalRead(let position, let isAtEnd):
            advanceJournal(to: position, isAtEnd, at: now, &commands)
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
        for module in startOrder where modules[module].policy.isCheckedAtStart {
            want(.start, of: module, at: now)
        }
    }

    private mutating func trigger(_ module: ModuleID, _ event: TriggerEvent, at now: Instant) {
        guard modules[module].policy.standing == .enabled else { return }
        modules[module].add(event, at: now)
        consider(module, at: now)
    }

    /// Makes a run due for another reason than triggers.
    private mutating func want(_ cause: Cause, of module: ModuleID, at now: Instant) {
        if case .blocked = modules[module].readiness(at: now) { return }
        modules[module].want(cause)
        consider(module, at: now)
    }

    private mutating func pause(_ module: ModuleID, until end: Instant?) {
        modules[module].beginPause(until: end)
        unqueue(module)
        renewDeadline(of: module)
    }

    /// Ends a pause with a check, which finds what happened during the pause.
    private mutating func resume(_ module: ModuleID, at now: Instant) {
        guard modules[module].pause != nil else { return }
        modules[module].endPause()
        want(.request, of: module, at: now)
    }

    // MARK: Reload (G11)

    /// Applies a reload. Modules that it does not mention keep their whole state.
    private mutating func adopt(_ reload: Reload, at now: Instant, _ commands: inout [Command]) {
        slots = reload.slots
        for module in reload.removed {
            unqueue(module)
            modules[module].leave()
            renewDeadline(of: module)
            if modules[module].isGone { commands.append(.forget(module)) }
        }
        // Reading goes back for modules that are new to the journal. The others hold their own
        // positions, which are further on and must be stored so.
        if !reload.journal.isEmpty {
            for module in startOrder { modules[module].journal?.hold(at: journal.position) }
            journal.goBack(reload.catchUp)
        }
        for change in reload.changes {
            adopt(change, from: reload.journal[change.module], at: now)
            if change.isEdited { modules[change.module].echoes.forget(at: now) }
        }
        sort()
        for change in reload.changes.sorted(by: { $0.policy.name < $1.policy.name }) {
            check(change, at: now)
        }
        for module in reload.untouched {
            guard case .failed = modules[module].health else { continue }
            tryAgain(module, at: now)
        }
    }

    private mutating func adopt(
        _ change: Reload.Change, from record: JournalRecord?, at now: Instant
    ) {
        let module = change.module
        precondition(module.index <= modules.count, "a module's number leaves a gap")
        if module.index == modules.count {
            modules.append(ModuleState(policy: change.policy, at: now))
        } else if modules[module].isGone {
            modules[module] = ModuleState(policy: change.policy, at: now)
        } else {
            modules[module].adopt(change.policy, at: now)
            modules[module].journal?.change(to: change.policy.journal)
            if change.policy.journal.isEmpty { modules[module].journal = nil }
        }
        if let record {
            modules[module].journal = JournalProgress(change.policy.journal, from: record)
        }
    }

    /// Checks an edited module, since earlier changes of its paths, or of what its files refer to,
    /// are unknown.
    private mutating func check(_ change: Reload.Change, at now: Instant) {
        let module = change.module
        if change.isEdited && change.policy.standing == .enabled {
            tryAgain(module, isCheckedAtStart: change.policy.isCheckedAtStart, at: now)
        }
        consider(module, at: now)
    }

    private mutating func tryAgain(
        _ module: ModuleID, isCheckedAtStart: Bool? = nil, at now: Instant
    ) {
        modules[module].forgiveFailures(at: now)
        if isCheckedAtStart ?? modules[module].policy.isCheckedAtStart {
            want(.start, of: module, at: now)
        }
        consider(module, at: now)
    }

    /// Applies pending changes to a module whose run has ended, and considers its next run.
    private mutating func rest(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        modules[module].applyPendingPolicy(at: now)
        if modules[module].isGone {
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
            modules[module].journal = JournalProgress(
                modules[module].policy.journal, from: record)
        }
        journal.catchUp = catchUp
    }

    /// Returns the record to store for a module now, so that no entry is lost whenever the daemon
    /// dies; nil where the module has no journal triggers.
    public func journalRecord(of module: ModuleID) -> JournalRecord? {
        modules[module].journal?.record(journal.position)
    }

    /// How far the journal has been read; nil before the first entry.
    public var journalPosition: JournalPosition? { journal.position }

    private mutating func receive(
        _ match: JournalMatch, for module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        guard modules[module].policy.standing == .enabled else { return }
        if journal.catchUp?.passesOver(match.entry) == true {
            modules[module].journal?.passOver()
            return
        }
        journal.markBehind()
        if let event = modules[module].journal?.count(match) {
            trigger(module, event, at: now)
        } else {
            // Only counted: the stored position moves past the entry together with the counter.
            journal.wantStore(at: now)
            if let count = modules[module].journal?.passForgottenKeys(at: now) {
                commands.append(.note(module, .keysForgotten(count)))
            }
        }
    }

    private mutating func advanceJournal(
        to position: JournalPosition, _ isAtEnd: Bool, at now: Instant,
        _ commands: inout [Command]
    ) {
        journal.advance(to: position, at: now)
        guard isAtEnd, !journal.isCaughtUp else { return }
        journal.isCaughtUp = true
        journal.catchUp = nil
        for module in startOrder {
            let count = modules[module].journal?.reachEnd() ?? 0
            if count > 0 { commands.append(.note(module, .entriesPassedOver(count))) }
        }
    }

    // MARK: Deafness (G9)

    private mutating func deafen(
        _ module: ModuleID, _ cause: Cause, _ reason: String, at now: Instant,
        _ commands: inout [Command]
    ) {
        guard ending == .none, modules[module].policy.standing == .enabled,
            let news = modules[module].deafen(cause, reason, at: now)
        else { return }
        commands.append(.note(module, .deafness(news)))
        renewDeadline(of: module)
    }

    /// Records that a cause is watched again, and checks modules for which changes may be lost.
    ///
    /// Changes of a path since the last check are unknown, and a run under way may have looked
    /// before them. Other triggers of a module without an interval lose nothing, or report it
    /// themselves.
    private mutating func hearAgain(
        _ module: ModuleID, _ cause: Cause, at now: Instant, _ commands: inout [Command]
    ) {
        guard ending == .none, modules[module].hearAgain(cause, at: now) else { return }
        if !modules[module].isDeaf { commands.append(.note(module, .deafness(nil))) }
        if modules[module].policy.isCheckedAtStart { want(.start, of: module, at: now) }
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
        if modules[module].isOverdue(at: now) { overrun(module, at: now, &commands) }
        let isRetryPending = modules[module].isRetryPending
        if let cause = modules[module].passRetry(at: now) { want(cause, of: module, at: now) }
        if let due = modules[module].nextTimedCheck, due <= now {
            // A run under way checks already, and a check that cannot start has its own retry.
            if !modules[module].isRunning && !isRetryPending {
                want(.interval, of: module, at: now)
            }
        }
        if ending == .none, modules[module].passRearm(at: now) { commands.append(.rearm(module)) }
        modules[module].skipElapsedIntervals(at: now)
        if let end = modules[module].pause?.end, end <= now { resume(module, at: now) }
        consider(module, at: now)
    }

    // MARK: Queue and slots

    /// Queues the module if a run is due and may start, and renews its deadline.
    private mutating func consider(_ module: ModuleID, at now: Instant) {
        defer { renewDeadline(of: module) }
        guard ending == .none else { return }
        guard case .due(let lane, _) = modules[module].readiness(at: now) else {
            // A trigger that came while the module was queued makes it settle again.
            unqueue(module)
            return
        }
        switch (modules[module].stage, lane) {
        case (.queued(.interval), .triggered):
            queue.remove(module, from: .interval)
            fallthrough
        case (.resting, _):
            modules[module].stage = .queued(lane)
            queue.append(module, to: lane)
        default: break
        }
    }

    private mutating func unqueue(_ module: ModuleID) {
        guard case .queued(let lane) = modules[module].stage else { return }
        queue.remove(module, from: lane)
        modules[module].stage = .resting
    }

    private mutating func dispatch(at now: Instant, _ commands: inout [Command]) {
        while slotsInUse < slots, let module = queue.removeFirst() {
            slotsInUse += 1
            runsStarted += 1
            let run = modules[module].beginRun(number: runsStarted, at: now)
            let timeout = timeout(of: .check, module)
            modules[module].stage = .running(
                Execution(run, of: module, timeout: timeout, at: now))
            renewDeadline(of: module)
            commands.append(.spawn(module, .check, run))
        }
    }

    private mutating func renewDeadline(of module: ModuleID) {
        // While the daemon ends, only running modules have a deadline.
        let deadline =
            ending == .none
            ? modules[module].nextDeadline : modules[module].execution?.deadline
        deadlines.set(deadline, for: module)
    }

    // MARK: The stages of a run

    /// Applies a change to the module's run, and performs what follows for its slot and its
    /// deadline.
    private mutating func change(
        _ module: ModuleID, _ commands: inout [Command],
        _ transition: (inout Execution) -> [Command]
    ) {
        guard var execution = modules[module].execution else {
            preconditionFailure("something has happened to a run of a module that is not running")
        }
        let held = execution.holdsSlot
        commands += transition(&execution)
        modules[module].stage = .running(execution)
        if held && !execution.holdsSlot { slotsInUse -= 1 }
        if !execution.holdsSlot {
            report(.stuck(reason: execution.refusal), of: module, &commands)
        }
        renewDeadline(of: module)
    }

    private mutating func end(
        _ module: ModuleID, _ termination: Termination, at now: Instant,
        _ commands: inout [Command]
    ) {
        modules[module].recordStart()
        let (policy, isStopping) = (modules[module].policy, ending != .none)
        var sequel = Execution.Sequel.clearing
        change(module, &commands) {
            let commands: [Command]
            (sequel, commands) = $0.end(termination, policy, isStopping: isStopping, at: now)
            return commands
        }
        switch sequel {
        case .response: respond(module, at: now, &commands)
        case .conclusion: conclude(module, at: now, &commands)
        case .clearing: break
        }
    }

    private mutating func respond(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        let timeout = timeout(of: .response, module)
        change(module, &commands) { $0.beginResponse(timeout: timeout, at: now) }
        if let run = modules[module].execution?.run {
            modules[module].countResponse(to: run, at: now)
        }
    }

    /// Moves a run whose stage took too long to the next stage.
    private mutating func overrun(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        let (grace, isStopping) = (modules[module].policy.grace, ending != .none)
        change(module, &commands) { $0.overrun(grace: grace, isStopping: isStopping, at: now) }
        announceEnd(&commands)
    }

    private mutating func refuse(
        _ module: ModuleID, _ reason: String, _ commands: inout [Command]
    ) {
        guard modules[module].isRunning else { return }
        change(module, &commands) {
            $0.refuse(reason)
            return []
        }
    }

    /// Handles a spawn that could not be performed. Without its response a run is over. Without its
    /// check there was no run: it is retried, and its events stay pending.
    ///
    /// - Parameter outcome: the outcome, were it a response.
    private mutating func forgo(
        _ module: ModuleID, _ outcome: ResponseOutcome, at now: Instant,
        _ commands: inout [Command]
    ) {
        guard let execution = modules[module].execution, execution.role == .check else {
            return change(module, &commands) { $0.forgoResponse(outcome, at: now) }
        }
        modules[module].abandonRun(at: now)
        if execution.holdsSlot { slotsInUse -= 1 }
        switch outcome {
        case .unable(let reason):
            modules[module].postpone(execution.run, at: now)
            report(.failed(reason: reason), of: module, &commands)
        case .notReady(let reason):
            putBack(execution.run, of: module, reason, at: now, &commands)
        case .ended:
            preconditionFailure("an executable that could not be started is said to have ended")
        }
        rest(module, at: now, &commands)
    }

    private mutating func conclude(
        _ module: ModuleID, at now: Instant, _ commands: inout [Command]
    ) {
        guard let execution = modules[module].execution else {
            preconditionFailure("a module that is not running was emptied")
        }
        if execution.holdsSlot { slotsInUse -= 1 }
        let conclusion = execution.conclusion
        modules[module].conclude(conclusion, of: execution.run.events, at: now)
        if !execution.run.events.isEmpty && modules[module].journal != nil {
            journal.wantStore(at: now)
        }
        commands.append(.conclude(module, conclusion))
        if let reason = conclusion.notReadyReason {
            // A process of the run survived SIGKILL, and has ended after all.
            if case .stuck = modules[module].health { report(.well, of: module, &commands) }
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
        guard modules[module].echoes.passTelling(), let cause = events.cause else { return }
        commands.append(
            .note(
                module,
                .selfTriggered(
                    SelfTrigger(
                        cause: cause, variables: events.variables,
                        count: modules[module].echoes.count,
                        longest: modules[module].policy.period))))
    }

    /// Puts back a run because an executable is still being written, which is not a fault at first.
    /// The run is repeated when the file may be complete.
    private mutating func putBack(
        _ run: Run, of module: ModuleID, _ reason: String, at now: Instant,
        _ commands: inout [Command]
    ) {
        guard !modules[module].wait(for: run, at: now) else { return }
        report(.failed(reason: reason), of: module, &commands)
    }

    private func health(after conclusion: Conclusion, of module: ModuleID) -> Health {
        if case .unable(let reason) = conclusion.response { return .failed(reason: reason) }
        switch modules[module].policy.verdict(of: conclusion.check) {
        case .holds, .clear: return .well
        case .open: return modules[module].health
        case .error(let termination): return .erring(termination)
        }
    }

    private mutating func report(
        _ health: Health, of module: ModuleID, _ commands: inout [Command]
    ) {
        guard modules[module].health != health else { return }
        modules[module].health = health
        commands.append(.note(module, .health(health)))
    }

    private func timeout(of role: Role, _ module: ModuleID) -> Duration {
        guard let timeout = modules[module].policy.timeouts[role] else {
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
            renewDeadline(of: module)
            guard modules[module].isRunning else { continue }
            let grace = modules[module].policy.grace
            change(module, &commands) {
                isRepeated ? $0.hasten(at: now) : $0.beginEnd(grace: grace, at: now)
            }
        }
        announceEnd(&commands)
    }

    private mutating func announceEnd(_ commands: inout [Command]) {
        guard ending == .asked, slotsInUse == 0 else { return }
        ending = .announced
        commands.append(.exit)
    }

    // MARK: Status

    public func status(of module: ModuleID, at now: Instant) -> ModuleStatus {
        let state = modules[module]
        return ModuleStatus(
            name: state.policy.name, phase: state.phase(at: now), health: state.health,
            deafness: state.deafness, nextInterval: state.nextTimedCheck,
            pendingCount: state.pending.lines.count + state.pending.dropped,
            runs: state.tally.runs, responses: state.tally.responses, last: state.tally.last,
            lastEnded: state.tally.lastEnded)
    }
}
