// SPDX-License-Identifier: GPL-3.0-or-later

/// All that the scheduler remembers of one module, and the decisions that follow from it.
struct ModuleState {
    private enum PendingPolicy {
        /// Indirect because it is rare: otherwise every state would have room for it.
        indirect case policy(Policy)
        case nothing
    }

    enum Stage {
        case resting
        case queued(RunQueue.Lane)
        case running(Execution)
    }

    struct Pause {
        /// Nil where only a request ends it.
        let end: Instant?
    }

    private(set) var policy: Policy
    /// The policy that a reload has found; it takes effect when the run under way has ended.
    private var pendingPolicy: PendingPolicy?
    /// Whether the module was removed, so that its number is free.
    private(set) var isGone = false
    var stage = Stage.resting
    /// The events that no check has been started for.
    private(set) var pending = PendingEvents()
    /// Why a run is due for another reason than triggers.
    private(set) var wanted: Cause?
    private var timer = IntervalTimer()
    private var settling: Settling?
    /// Before this time, triggers alone do not start a run.
    private var cooledAt: Instant
    var echoes: SelfTriggerDetector
    private var limitedResponses = LimitedResponses()
    private(set) var pause: Pause?
    private var retry = Retry()
    var health = Health.well
    /// Nil where the module has no journal triggers.
    var journal: JournalProgress?
    private var hearing = Hearing()
    private(set) var tally = RunTally()

    init(policy: Policy, at now: Instant) {
        self.policy = policy
        cooledAt = now
        echoes = SelfTriggerDetector(at: now)
        if case .failed(let reason) = policy.standing { health = .failed(reason: reason) }
        if policy.standing == .enabled { timer.start(policy.interval, at: now) }
    }

    var execution: Execution? {
        guard case .running(let execution) = stage else { return nil }
        return execution
    }

    var isRunning: Bool {
        if case .running = stage { true } else { false }
    }

    /// Returns whether the stage of the run under way has exceeded its deadline.
    func isOverdue(at now: Instant) -> Bool {
        guard case .running(let execution) = stage else { return false }
        return execution.deadline.map { $0 <= now } ?? false
    }

    // MARK: Reload

    /// Applies a changed policy. A run under way continues with the policy that it was started
    /// with.
    mutating func adopt(_ policy: Policy, at now: Instant) {
        guard !isRunning else {
            pendingPolicy = .policy(policy)
            return
        }
        let former = self.policy
        self.policy = policy
        limitedResponses.truncate(to: policy.limit)
        guard policy.standing == .enabled else {
            forgetWhatIsDue()
            health = .well
            if case .failed(let reason) = policy.standing { health = .failed(reason: reason) }
            return
        }
        if former.standing != .enabled {
            health = .well
            cooledAt = now
        }
        if former.standing != .enabled || former.interval != policy.interval {
            timer.restart(policy.interval, after: isDeaf ? nil : former.interval, at: now)
        }
        hearing.restart(every: rearmPeriod, at: now)
    }

    /// Removes the module. A run under way continues to its end.
    mutating func leave() {
        if isRunning {
            pendingPolicy = .nothing
        } else {
            forgetWhatIsDue()
            journal = nil
            // Events that still arrive for it are ignored.
            policy.standing = .disabled
            isGone = true
        }
    }

    /// Applies the change that a reload found during the run that has ended.
    mutating func applyPendingPolicy(at now: Instant) {
        defer { pendingPolicy = nil }
        switch pendingPolicy {
        case .policy(let policy): adopt(policy, at: now)
        case .nothing: leave()
        case nil: break
        }
    }

    /// Retries a failed start at once: its cause may have been fixed.
    mutating func forgiveFailures(at now: Instant) {
        if retry.hasten(at: now) { cooledAt = now }
    }

    private mutating func forgetWhatIsDue() {
        pending = PendingEvents()
        settling = nil
        wanted = nil
        timer.stop()
        retry = Retry()
        hearing = Hearing()
    }

    // MARK: Reasons for a run

    mutating func add(_ event: TriggerEvent, at now: Instant) {
        pending.append(event, isEcho: echoes.classify(event))
        settling?.extend(at: now)
        settling = settling ?? Settling(at: now)
    }

    /// Records that a run is due for another reason than triggers. A request replaces another
    /// cause.
    mutating func want(_ cause: Cause) {
        if wanted == nil || cause == .request { wanted = cause }
    }

    mutating func beginPause(until end: Instant?) {
        pause = Pause(end: end)
        wanted = nil
    }

    mutating func endPause() {
        pause = nil
    }

    // MARK: When a run may start

    /// Returns whether a run may start now, and why or why not.
    func readiness(at now: Instant) -> Readiness {
        switch policy.standing {
        case .disabled: return .blocked(.disabled)
        case .failed: return .blocked(.failed)
        case .enabled: break
        }
        if pause != nil { return .blocked(.paused) }
        if wanted == .request { return .due(.triggered, .request) }
        if let cause = pending.cause, heldUntil <= now { return .due(.triggered, cause) }
        if let wanted { return .due(.interval, wanted) }
        return pending.isEmpty ? .idle : .waiting(until: heldUntil, delay(at: now))
    }

    /// When pending triggers alone may start a run.
    private var heldUntil: Instant {
        let cooledAt = pending.areEchoes ? max(cooledAt, echoes.quietUntil) : cooledAt
        return max(cooledAt, settledAt ?? cooledAt, unlimitedAt ?? cooledAt)
    }

    private var settledAt: Instant? { settling?.end(policy.settle) }
    private var unlimitedAt: Instant? { limitedResponses.allowedAt(policy.limit) }

    private func delay(at now: Instant) -> Readiness.Delay {
        if let settledAt, settledAt > now { return .settling }
        return unlimitedAt.map { $0 > cooledAt } == true ? .limited : .cooling
    }

    /// When the timer next causes a check: sooner than the interval while the module is deaf.
    var nextTimedCheck: Instant? {
        guard isDeaf else { return timer.due }
        return policy.interval != nil ? hearing.due : nil
    }

    /// When the scheduler must consider the module again if nothing else happens.
    var nextDeadline: Instant? {
        let stageEnds: Instant? =
            switch stage {
            case .running(let execution): execution.deadline
            // In the other lane, triggers go first when they may.
            case .resting where !pending.isEmpty && pause == nil,
                .queued(.interval) where !pending.isEmpty:
                heldUntil
            default: nil
            }
        return [hearing.due ?? timer.due, pause?.end, retry.due, stageEnds].lazy
            .compactMap(\.self).min()
    }

    /// Moves the timer's deadline past `now`.
    mutating func skipElapsedIntervals(at now: Instant) {
        timer.skipElapsed(policy.interval, at: now)
    }

    /// Whether a run that could not be started is to be tried again.
    var isRetryPending: Bool { retry.due != nil }

    /// Cancels the retry, once it is due.
    ///
    /// - Returns: its cause; nil if it is not due.
    mutating func passRetry(at now: Instant) -> Cause? { retry.passDue(at: now) }

    // MARK: Deafness

    /// Nil while all triggers are watched.
    var deafness: Deafness? {
        hearing.reason.map { Deafness(reason: $0, isPolled: policy.interval != nil) }
    }

    var isDeaf: Bool { hearing.isDeaf }

    private var rearmPeriod: Duration {
        min(policy.interval ?? Scheduler.pollPeriod, Scheduler.pollPeriod)
    }

    /// Records that triggers of this cause cannot be watched.
    ///
    /// - Returns: the new fault; nil where the module was already deaf to this cause.
    mutating func deafen(_ cause: Cause, _ reason: String, at now: Instant) -> Deafness? {
        guard hearing.lose(cause, reason, retryEvery: rearmPeriod, at: now) else { return nil }
        return Deafness(reason: reason, isPolled: policy.interval != nil)
    }

    /// Records that triggers of this cause are watched again.
    ///
    /// - Returns: whether the module was deaf to this cause until now.
    mutating func hearAgain(_ cause: Cause, at now: Instant) -> Bool {
        guard hearing.regain(cause) else { return false }
        if !isDeaf { skipElapsedIntervals(at: now) }
        return true
    }

    /// Schedules the next attempt to watch, once this one is due.
    ///
    /// - Returns: whether it is due.
    mutating func passRearm(at now: Instant) -> Bool {
        hearing.passDue(every: rearmPeriod, at: now)
    }

    // MARK: Runs

    /// Begins a run: takes its cause and its events.
    mutating func beginRun(number: UInt64, at now: Instant) -> Run {
        let events = pending.take()
        guard let cause = events.cause ?? wanted else {
            preconditionFailure("\(policy.name): a run without a cause")
        }
        journal?.beginRun()
        wanted = nil
        retry.cancel()
        settling = nil
        echoes.beginRun(at: now)
        return Run(number: number, cause: cause, events: events)
    }

    /// The check or response of the run under way has ended, so it could be started.
    mutating func recordStart() {
        retry.recordStart()
    }

    mutating func countResponse(to run: Run, at now: Instant) {
        if !run.events.isEmpty { limitedResponses.append(now, policy.limit) }
    }

    /// Ends a run whose check could not be started.
    mutating func abandonRun(at now: Instant) {
        stage = .resting
        echoes.endRun(at: now)
    }

    /// Puts back the events of a check that could not be started, and schedules a retry.
    mutating func postpone(_ run: Run, at now: Instant) {
        putBack(run, until: retry.postpone(run, longest: policy.period, at: now))
    }

    /// Puts back the events of a run whose executable is still being written, and schedules a
    /// retry.
    ///
    /// - Returns: false where it has been written to for too long.
    mutating func wait(for run: Run, at now: Instant) -> Bool {
        let (due, isTooLong) = retry.wait(for: run, at: now)
        putBack(run, until: due)
        return !isTooLong
    }

    private mutating func putBack(_ run: Run, until due: Instant) {
        pending.restore(run.events)
        journal?.endRun(isServed: false)
        cooledAt = due
    }

    mutating func conclude(
        _ conclusion: Conclusion, of events: PendingEvents, at now: Instant
    ) {
        stage = .resting
        // If stopping cut the run short, the next daemon serves its events.
        let isServed = conclusion.check != .stopped && conclusion.notReadyReason == nil
        journal?.endRun(isServed: isServed)
        let cooldown = policy.cooldown(afterCheckOf: conclusion.checkDuration)
        cooledAt = now + cooldown
        if isServed {
            echoes.endRun(
                wasEcho: events.areEchoes && !pending.isAnyFromElsewhere, cooldown: cooldown,
                longest: policy.period, at: now)
        } else {
            echoes.endRun(at: now)
        }
        if conclusion.notReadyReason == nil { retry.recordReadiness() }
        tally.add(conclusion, at: now)
    }

    // MARK: Status

    func phase(at now: Instant) -> Phase {
        let readiness = readiness(at: now)
        switch (stage, readiness) {
        case (_, .blocked(.disabled)): return .disabled
        case (_, .blocked(.failed)): return .failed
        case (.running(let execution), _): return execution.phase
        case (.queued, _): return .queued
        case (.resting, .blocked(.paused)): return .paused
        case (.resting, _): break
        }
        if case .failed = health { return .failed }
        if isDeaf { return .degraded }
        if pending.isEmpty { return .idle }
        return delay(at: now) == .settling ? .settling : .cooling
    }
}

extension [ModuleState] {
    subscript(module: ModuleID) -> ModuleState {
        _read { yield self[module.index] }
        _modify { yield &self[module.index] }
    }
}
