// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

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

    private(set) var policy: Policy
    /// The policy that a reload has found; it takes effect when the run under way has ended.
    private var pendingPolicy: PendingPolicy?
    /// Whether the module was removed, so that its number is free.
    private(set) var isGone = false
    var stage = Stage.resting
    /// The events that no check has been started for.
    var pending = PendingEvents()
    /// Why a run is due for another reason than triggers.
    var wanted: Cause?
    var nextInterval: Instant?
    /// When settling began with its first trigger, and when the latest trigger came.
    var firstTrigger: Instant?
    var lastTrigger: Instant?
    /// Before this time, triggers alone do not start a run.
    var cooledAt: Instant
    var echoes: EchoMemory
    /// When the latest responses of runs with events began, at most as many as the limit's count.
    var limitedResponses = Deque<Instant>()
    var isPaused = false
    var pausedUntil: Instant?
    /// How often in a row the check could not be started.
    var failures = 0
    /// How often in a row an executable was still being written.
    private var waits = 0
    /// When to try again to start a run that could not be started, and its cause.
    var retryAt: Instant?
    var retryCause = Cause.interval
    var health = Health.well
    /// Nil where the module has no journal triggers.
    var journal: JournalProgress?
    /// How many entries were skipped as too old since the daemon started.
    var passedOver = 0
    /// When evicted keys were last reported, and how many there were by then.
    var forgottenToldAt: Instant?
    var forgottenTold = 0
    /// Why triggers cannot be watched, by cause.
    private var faults: [Cause: String] = [:]
    /// While deaf: when to try again to watch, and to check meanwhile.
    var rearmAt: Instant?
    var runs = 0
    var responses = 0
    var last: Conclusion?
    var lastEnded: Instant?

    init(policy: Policy, at now: Instant) {
        self.policy = policy
        cooledAt = now
        echoes = EchoMemory(at: now)
        if case .failed(let reason) = policy.standing { health = .failed(reason: reason) }
        guard policy.standing == .enabled, let interval = policy.interval else { return }
        nextInterval = now + interval
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
        return execution.deadline <= now
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
        let surplus = limitedResponses.count - (policy.limit?.count ?? 0)
        if surplus > 0 { limitedResponses.removeFirst(surplus) }
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
            renewInterval(after: former, at: now)
        }
        if isDeaf { rearmAt = now + rearmPeriod }
    }

    /// Restarts the interval. Elapsed time counts, so that frequent edits cannot postpone the check
    /// for ever.
    private mutating func renewInterval(after former: Policy, at now: Instant) {
        guard let interval = policy.interval else {
            nextInterval = nil
            return
        }
        guard !isDeaf, let due = nextInterval, let formerInterval = former.interval else {
            nextInterval = now + interval
            return
        }
        let begun = Instant(nanoseconds: due.nanoseconds - formerInterval.nanoseconds)
        nextInterval = max(now, begun + interval)
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
        (failures, waits) = (0, 0)
        guard retryAt != nil else { return }
        retryAt = now
        cooledAt = now
    }

    private mutating func forgetWhatIsDue() {
        pending = PendingEvents()
        (firstTrigger, lastTrigger) = (nil, nil)
        wanted = nil
        (nextInterval, retryAt, failures, waits) = (nil, nil, 0, 0)
        faults = [:]
        rearmAt = nil
    }

    // MARK: When a run may start

    mutating func add(_ event: TriggerEvent, at now: Instant) {
        pending.append(event, isEcho: echoes.note(event, at: now))
        firstTrigger = firstTrigger ?? now
        lastTrigger = now
    }

    /// The end of settling: no trigger came for `settle`, or settling has taken ten times that.
    private var settledAt: Instant? {
        guard let firstTrigger, let lastTrigger else { return nil }
        return min(lastTrigger + policy.settle, firstTrigger + policy.settle * 10)
    }

    /// When the limit allows another response to triggers to begin.
    private var unlimitedAt: Instant? {
        guard let limit = policy.limit, limitedResponses.count >= limit.count else { return nil }
        return limitedResponses.first.map { $0 + limit.window }
    }

    /// When triggers alone may start a run.
    var triggeredRunAt: Instant {
        let cooledAt = pending.areEchoes ? max(cooledAt, echoes.quietUntil) : cooledAt
        return max(cooledAt, settledAt ?? cooledAt, unlimitedAt ?? cooledAt)
    }

    /// Returns the lane to wait in for a run that is due, nil if none is.
    func laneWanted(at now: Instant) -> RunQueue.Lane? {
        guard policy.standing == .enabled, !isPaused else { return nil }
        if wanted == .request || (!pending.isEmpty && triggeredRunAt <= now) { return .triggered }
        return wanted == nil ? nil : .interval
    }

    /// When the timer next causes a check: sooner than the interval while the module is deaf.
    var nextTimedCheck: Instant? {
        guard isDeaf else { return nextInterval }
        return policy.interval != nil ? rearmAt : nil
    }

    /// When the scheduler must consider the module again if nothing else happens.
    var nextDeadline: Instant? {
        let stageEnds: Instant? =
            switch stage {
            case .running(let execution): execution.deadline
            case .resting where !pending.isEmpty && !isPaused,
                .queued(.interval) where !pending.isEmpty:
                triggeredRunAt
            default: nil
            }
        return Self.earlier(
            Self.earlier(isDeaf ? rearmAt : nextInterval, pausedUntil),
            Self.earlier(retryAt, stageEnds))
    }

    private static func earlier(_ first: Instant?, _ second: Instant?) -> Instant? {
        guard let first, let second else { return first ?? second }
        return min(first, second)
    }

    /// Moves the interval's deadline past `now`.
    mutating func skipElapsedIntervals(at now: Instant) {
        guard let due = nextInterval, due <= now, let interval = policy.interval else { return }
        nextInterval = Self.next(after: due, every: interval, at: now)
    }

    /// Returns the first deadline after `now`; missed periods are not made up.
    private static func next(
        after due: Instant, every period: Duration, at now: Instant
    ) -> Instant {
        let periods = due.duration(to: now).nanoseconds / period.nanoseconds + 1
        return Instant(nanoseconds: due.nanoseconds + periods * period.nanoseconds)
    }

    // MARK: Deafness

    /// Nil while all triggers are watched.
    var deafness: Deafness? {
        guard !faults.isEmpty else { return nil }
        let reasons = Cause.allCases.compactMap { faults[$0] }
        return Deafness(
            reason: reasons.joined(separator: "; "), isPolled: policy.interval != nil)
    }

    var isDeaf: Bool { !faults.isEmpty }

    private var rearmPeriod: Duration {
        min(policy.interval ?? Scheduler.pollPeriod, Scheduler.pollPeriod)
    }

    /// Records that triggers of this cause cannot be watched.
    ///
    /// - Returns: the new fault; nil where the module was already deaf to this cause.
    mutating func deafen(_ cause: Cause, _ reason: String, at now: Instant) -> Deafness? {
        if !isDeaf { rearmAt = now + rearmPeriod }
        guard faults.updateValue(reason, forKey: cause) == nil else { return nil }
        return Deafness(reason: reason, isPolled: policy.interval != nil)
    }

    /// Records that triggers of this cause are watched again.
    ///
    /// - Returns: whether the module was deaf to this cause until now.
    mutating func hearAgain(_ cause: Cause, at now: Instant) -> Bool {
        guard faults.removeValue(forKey: cause) != nil else { return false }
        if !isDeaf {
            rearmAt = nil
            skipElapsedIntervals(at: now)
        }
        return true
    }

    /// Moves the time of the next attempt to watch, once it has come.
    ///
    /// - Returns: whether it is time to try again.
    mutating func passRearm(at now: Instant) -> Bool {
        guard let due = rearmAt, due <= now else { return false }
        rearmAt = Self.next(after: due, every: rearmPeriod, at: now)
        return true
    }

    // MARK: Runs

    /// Takes the cause and the events of the run that starts now.
    mutating func take() -> (Cause, PendingEvents) {
        let events = pending.take()
        journal?.beginRun()
        defer {
            wanted = nil
            retryAt = nil
            firstTrigger = nil
            lastTrigger = nil
        }
        guard let cause = events.cause ?? wanted else {
            preconditionFailure("\(policy.name): a run without a cause")
        }
        return (cause, events)
    }

    mutating func countTowardsLimit(at now: Instant) {
        guard let limit = policy.limit else { return }
        limitedResponses.append(now)
        if limitedResponses.count > limit.count { limitedResponses.removeFirst() }
    }

    /// Puts back the events of a check that could not be started, and schedules a retry.
    ///
    /// The delay doubles each time, from one second up to the module's period.
    mutating func retry(_ run: Run, at now: Instant) {
        let backoff = Duration.seconds(1 << min(failures, 20))
        putBack(run, until: now + min(backoff, policy.period))
        failures += 1
    }

    /// How often in a row an executable may be found to be still written to.
    private static let notReadyMax = 30

    /// Puts back the events of a run whose executable is still being written, and schedules a retry
    /// one second later.
    ///
    /// - Returns: false where it has been written to for too long.
    mutating func wait(for run: Run, at now: Instant) -> Bool {
        putBack(run, until: now + .seconds(1))
        waits += 1
        return waits <= Self.notReadyMax
    }

    private mutating func putBack(_ run: Run, until retry: Instant) {
        pending.restore(run.events)
        journal?.endRun(isServed: false)
        retryAt = retry
        retryCause = run.events.isEmpty ? run.cause : .interval
        cooledAt = retry
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
        if conclusion.notReadyReason == nil { waits = 0 }
        runs += 1
        if case .ended = conclusion.response { responses += 1 }
        last = conclusion
        lastEnded = now
    }

    // MARK: Status

    func phase(at now: Instant) -> Phase {
        switch policy.standing {
        case .disabled: return .disabled
        case .failed: return .failed
        case .enabled: break
        }
        switch stage {
        case .running(let execution):
            if execution.stage == .stuck { return .stuck }
            return execution.role == .check ? .checking : .responding
        case .queued: return .queued
        case .resting:
            if isPaused { return .paused }
            if case .failed = health { return .failed }
            if isDeaf { return .degraded }
            if pending.isEmpty { return .idle }
            return (settledAt ?? now) > now ? .settling : .cooling
        }
    }
}
