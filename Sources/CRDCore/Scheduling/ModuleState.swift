// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// All that the scheduler remembers of one module, and what follows from it.
struct ModuleState {
    private enum PendingPolicy {
        /// Rare, so that it need not find room in every state.
        indirect case policy(Policy)
        case nothing
    }

    enum Stage {
        case resting
        case queued(RunQueue.Lane)
        case running(Execution)
    }

    private(set) var policy: Policy
    /// What the files say by now; it is in force when the run under way has ended.
    private var pendingPolicy: PendingPolicy?
    /// It was removed, and its number is free.
    private(set) var isGone = false
    var stage = Stage.resting
    /// The triggers that no check has been started for.
    var pending = PendingEvents()
    /// Why a run is due apart from triggers.
    var wanted: Cause?
    var nextInterval: Instant?
    /// When the trigger came that settling began with, and the latest one.
    var firstTrigger: Instant?
    var lastTrigger: Instant?
    /// Before it no run starts for triggers alone.
    var cooledAt: Instant
    var echoes: EchoMemory
    /// When the latest responses of runs with events began, no more of them than the limit's count.
    var limitedResponses = Deque<Instant>()
    var isPaused = false
    var pausedUntil: Instant?
    /// How often in a row the check could not be started, and when it is tried again.
    var failures = 0
    /// How often in a row an executable was still being written.
    private var waits = 0
    var retryAt: Instant?
    var retryCause = Cause.interval
    var health = Health.well
    /// Nil where the module has no journal triggers.
    var journal: JournalProgress?
    /// How many entries were too old to be looked at, since the daemon started.
    var passedOver = 0
    /// When it was told last that its counters forget keys, and how many until then.
    var forgottenToldAt: Instant?
    var forgottenTold = 0
    /// Why triggers cannot be watched, by their cause.
    private var faults: [Cause: String] = [:]
    /// While deaf: when to try again to watch, and to look meanwhile.
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

    /// Whether the stage of the run under way has taken too long.
    func isOverdue(at now: Instant) -> Bool {
        guard case .running(let execution) = stage else { return false }
        return execution.deadline <= now
    }

    // MARK: Reload

    /// The files say this now. A run under way goes on by what it was started with.
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

    /// The time that has passed of the former period counts, or who changes it again and again would
    /// never see it end.
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

    /// The module was removed. A run under way goes on to its end.
    mutating func leave() {
        if isRunning {
            pendingPolicy = .nothing
        } else {
            forgetWhatIsDue()
            journal = nil
            // Whatever may still be told of it means nothing.
            policy.standing = .disabled
            isGone = true
        }
    }

    /// The run has ended, and what was changed meanwhile is in force.
    mutating func applyPendingPolicy(at now: Instant) {
        defer { pendingPolicy = nil }
        switch pendingPolicy {
        case .policy(let policy): adopt(policy, at: now)
        case .nothing: leave()
        case nil: break
        }
    }

    /// What could not be started may be mended.
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
        (nextInterval, retryAt, failures) = (nil, nil, 0)
        faults = [:]
        rearmAt = nil
    }

    // MARK: When a run may start

    mutating func add(_ event: TriggerEvent, at now: Instant) {
        pending.append(event, isEcho: echoes.note(event, at: now))
        firstTrigger = firstTrigger ?? now
        lastTrigger = now
    }

    /// The end of settling: nothing came for `settle`, or it went on for ten times that.
    private var settledAt: Instant? {
        guard let firstTrigger, let lastTrigger else { return nil }
        return min(lastTrigger + policy.settle, firstTrigger + policy.settle * 10)
    }

    /// When the limit lets another response to triggers begin.
    private var unlimitedAt: Instant? {
        guard let limit = policy.limit, limitedResponses.count >= limit.count else { return nil }
        return limitedResponses.first.map { $0 + limit.window }
    }

    /// When triggers alone may start a run.
    var triggeredRunAt: Instant {
        let cooledAt = pending.areEchoes ? max(cooledAt, echoes.quietUntil) : cooledAt
        return max(cooledAt, settledAt ?? cooledAt, unlimitedAt ?? cooledAt)
    }

    /// The lane to wait in for a run that is due, nil if none is.
    func laneWanted(at now: Instant) -> RunQueue.Lane? {
        guard policy.standing == .enabled, !isPaused else { return nil }
        if wanted == .request || (!pending.isEmpty && triggeredRunAt <= now) { return .triggered }
        return wanted == nil ? nil : .interval
    }

    /// When the timer comes for a check: while the module is deaf, sooner than its interval.
    var nextTimedCheck: Instant? {
        guard isDeaf else { return nextInterval }
        return policy.interval != nil ? rearmAt : nil
    }

    /// When the module must be looked at again if nothing else happens.
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

    /// Periods that were missed are not made up.
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

    /// - Returns: what is new about it; nil where this cause was known.
    mutating func deafen(_ cause: Cause, _ reason: String, at now: Instant) -> Deafness? {
        if !isDeaf { rearmAt = now + rearmPeriod }
        guard faults.updateValue(reason, forKey: cause) == nil else { return nil }
        return Deafness(reason: reason, isPolled: policy.interval != nil)
    }

    /// - Returns: whether it was deaf to this cause until now.
    mutating func hearAgain(_ cause: Cause, at now: Instant) -> Bool {
        guard faults.removeValue(forKey: cause) != nil else { return false }
        if !isDeaf {
            rearmAt = nil
            skipElapsedIntervals(at: now)
        }
        return true
    }

    /// - Returns: whether it is time to try again to watch.
    mutating func passRearm(at now: Instant) -> Bool {
        guard let due = rearmAt, due <= now else { return false }
        rearmAt = Self.next(after: due, every: rearmPeriod, at: now)
        return true
    }

    // MARK: A run

    /// The cause and the events of the run that starts now.
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

    /// The check could not be started: puts back what the run had taken, and tries again, later
    /// each time, but not later than the next interval would.
    mutating func retry(_ run: Run, at now: Instant) {
        let backoff = Duration.seconds(1 << min(failures, 20))
        putBack(run, until: now + min(backoff, policy.period))
        failures += 1
    }

    /// How often in a row an executable may be found to be still written to.
    private static let notReadyMax = 30

    /// The run's executable is still being written: puts back what the run had taken, and tries
    /// again a second later.
    ///
    /// - Returns: whether that may be so; false where it has been for too long.
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
        // What stopping kept from being looked at is looked at by the next daemon.
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

    // MARK: What is shown

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
