// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// What has happened to one module, and what the design's section 6 makes of it.
struct ModuleFacts {
    private(set) var policy: Policy
    /// The policy after the run under way has ended; `.some(nil)`: the module is gone by then.
    private var successor: Policy??
    /// The run has ended, and its successor is not in effect yet.
    var mustSucceed = false
    /// Its number is free, and `forget` is still due.
    var mustForget = false
    /// How often in a row an executable was being written.
    var waits = 0
    /// Every trigger that no check was started for, oldest first.
    var unserved: [TriggerEvent] = []
    /// First and last trigger since a check started or failed to: settling counts from them.
    var firstTrigger: Instant?
    var lastTrigger: Instant?
    /// Reasons for a run besides triggers.
    var owed: Set<Cause> = []
    /// The deadline of an owed interval run, as long as there is no other reason to run.
    var dueTogether: Instant?
    var nextInterval: Instant?
    var isPaused = false
    var pausedUntil: Instant?
    /// After failed starts of a check: how many there were, then the earliest and the latest time
    /// of a retry.
    var failures = 0
    var retryFrom: Instant
    var retryBy: Instant?
    var retryCause = Cause.interval
    /// The end of the last run's cooldown.
    var cooledAt: Instant
    /// When its runs took place, oldest first (G10).
    private var spans: [(start: Instant, end: Instant?)] = []
    /// The marks of the triggers that happened during one of the two latest runs.
    private var echoes: Set<[UInt8]> = []
    /// Runs in a row with such triggers alone; whether that was reported; until when they wait.
    private(set) var echoRuns = 0
    private var isEchoTold = false
    private(set) var mustTellEchoes = false
    private(set) var quietUntil: Instant
    /// Whether such triggers alone caused the run under way.
    private var isEchoRun = false
    /// When responses of runs with events began.
    var answered: [Instant] = []
    var run: ObservedRun?
    var health: Health = .well
    /// What cannot be watched, and why.
    private var faults: [Cause: String] = [:]
    /// While it is deaf: when watching must be retried (G9).
    var rearmBy: Instant?
    /// Commands due before the scheduler takes in anything else.
    var mustRearm = false
    var mustTellDeafness = false
    /// The deafness to report; nil: it hears again.
    private(set) var newDeafness: Deafness?
    /// When the scheduler last had reason to ask whether a run is due.
    var heardAt: Instant
    /// When it was last told that time has passed.
    var elapsedAt: Instant
    /// Other modules' runs that started while this one could have; nil while it could not.
    var passedBy: Int?

    init(_ policy: Policy, at now: Instant) {
        self.policy = policy
        cooledAt = now
        quietUntil = now
        retryFrom = now
        heardAt = now
        elapsedAt = now
        if case .failed(let reason) = policy.standing { health = .failed(reason: reason) }
        if isEnabled, let interval = policy.interval { nextInterval = now + interval }
    }

    var isEnabled: Bool { policy.standing == .enabled }

    /// The module's interval, or else the fallback.
    var period: Duration { policy.interval ?? policy.fallbackInterval }

    // MARK: Reload (G11)

    /// Applies what the files say; nil: it is gone. A run under way must not change.
    mutating func change(to new: Policy?, at now: Instant) {
        guard run == nil else {
            successor = .some(new)
            return
        }
        guard let new else {
            policy.standing = .disabled
            mustForget = true
            return abandon()
        }
        let former = policy
        policy = new
        // Only as many as the limit needed are remembered.
        answered = answered.suffix(former.limit?.count ?? 0).suffix(new.limit?.count ?? 0)
        guard isEnabled else {
            abandon()
            health = .well
            if case .failed(let reason) = new.standing { health = .failed(reason: reason) }
            return
        }
        if former.standing != .enabled {
            health = .well
            cooledAt = now
        }
        if former.standing != .enabled || former.interval != new.interval {
            // Time already passed counts towards a new period.
            var begun = now
            if faults.isEmpty, let due = nextInterval, let interval = former.interval {
                begun = Instant(nanoseconds: due.nanoseconds - interval.nanoseconds)
            }
            nextInterval = new.interval.map { max(now, begun + $0) }
            dueTogether = nil
        }
        if !faults.isEmpty { rearmBy = now + pollPeriod }
        heardAt = now
    }

    mutating func succeed(at now: Instant) {
        mustSucceed = false
        guard let next = successor else { return }
        successor = nil
        change(to: next, at: now)
    }

    /// Its files were fixed: a failed start is retried.
    mutating func forgive(at now: Instant) {
        (failures, waits) = (0, 0)
        guard retryBy != nil else { return }
        retryFrom = now
        cooledAt = min(cooledAt, now)
        // An `elapsed` at this very instant could not know of it.
        retryBy = max(now, elapsedAt + .nanoseconds(1))
    }

    private mutating func abandon() {
        (unserved, owed) = ([], [])
        (firstTrigger, lastTrigger, nextInterval, dueTogether) = (nil, nil, nil, nil)
        (retryBy, rearmBy) = (nil, nil)
        failures = 0
        faults = [:]
        passedBy = nil
    }

    // MARK: When triggers alone may start a run (G10)

    var settledAt: Instant? {
        guard let firstTrigger, let lastTrigger else { return nil }
        return min(lastTrigger + policy.settle, firstTrigger + policy.settle * 10)
    }

    var unlimitedAt: Instant? {
        guard let limit = policy.limit, answered.count >= limit.count else { return nil }
        return answered[answered.count - limit.count] + limit.window
    }

    var forbiddenUntil: Instant {
        let cooledAt = areEchoes ? max(cooledAt, quietUntil) : cooledAt
        return max(cooledAt, settledAt ?? cooledAt, unlimitedAt ?? cooledAt)
    }

    /// Whether all pending triggers seem to come from the module's own runs.
    var areEchoes: Bool { !unserved.isEmpty && unserved.allSatisfy(isEcho) }

    private func isEcho(_ trigger: TriggerEvent) -> Bool {
        echoes.contains(trigger.variables[0].value)
    }

    /// - Returns: whether it ends a pause that has grown.
    private mutating func noteOrigin(of trigger: TriggerEvent, at now: Instant) -> Bool {
        let time = now.nanoseconds - trigger.age.nanoseconds
        let isDuringRun = spans.suffix(2).contains { span in
            let end = span.end.map { $0.nanoseconds + 50_000_000 } ?? Int64.max
            return (span.start.nanoseconds...end).contains(time)
        }
        if isDuringRun && !trigger.isForeign {
            echoes.insert(trigger.variables[0].value)
            return false
        }
        defer { echoRuns = 0 }
        return areEchoes && run == nil && echoRuns > 1 && quietUntil > max(now, cooledAt)
    }

    /// Whether it has triggered itself, and its next run waits for that.
    var isPausedByEchoes: Bool { run == nil && areEchoes && echoRuns > 1 }

    private mutating func judgeEchoes(_ cooldown: Duration, at now: Instant) {
        echoRuns = isEchoRun && !unserved.contains { !isEcho($0) } ? echoRuns + 1 : 0
        quietUntil = cooledAt
        if echoRuns == 5 && !isEchoTold { (isEchoTold, mustTellEchoes) = (true, true) }
        guard echoRuns >= 2 else { return }
        var pause = max(cooldown, .milliseconds(100))
        for _ in 1..<echoRuns where pause < period { pause = pause * 2 }
        quietUntil = max(cooledAt, now + min(pause, period))
    }

    mutating func noteTelling() { mustTellEchoes = false }

    mutating func forgetEchoes(at now: Instant) {
        (echoRuns, isEchoTold) = (0, false)
        quietUntil = min(quietUntil, now)
    }

    /// The run under way has ended.
    mutating func endRun(at now: Instant) {
        run = nil
        if !spans.isEmpty { spans[spans.count - 1].end = now }
    }

    func mayStart(at now: Instant) -> Bool {
        !owed.isEmpty || (retryBy != nil && retryFrom <= now)
            || (!unserved.isEmpty && forbiddenUntil <= now)
    }

    /// Whether a run is due and the scheduler could know it.
    var mustStart: Bool {
        guard isEnabled, !isPaused, run == nil else { return false }
        if let retryBy { return !owed.isEmpty || retryBy <= elapsedAt }
        return !owed.isEmpty || (!unserved.isEmpty && forbiddenUntil <= heardAt)
    }

    /// Whether somebody waits for the due run, as opposed to the timer.
    var isUrgent: Bool {
        owed.contains(.request)
            || (retryBy == nil && !unserved.isEmpty && forbiddenUntil <= heardAt)
    }

    var isAtRest: Bool { run == nil && owed.isEmpty && unserved.isEmpty && retryBy == nil }

    /// When the scheduler must be woken for this module.
    func wakeNeeded(hasFreeSlot: Bool) -> Instant? {
        guard isEnabled else { return nil }
        var needs = [rearmBy].compactMap { $0 }
        if let run {
            needs += [run.dueUnlessOutput].compactMap(\.self)
        } else if isPaused {
            if let pausedUntil { needs.append(pausedUntil) }
        } else {
            needs += needsAtRest(hasFreeSlot: hasFreeSlot)
        }
        return needs.min()
    }

    private func needsAtRest(hasFreeSlot: Bool) -> [Instant] {
        var needs = [deafness == nil ? nextInterval : nil].compactMap { $0 }
        if owed.isEmpty && hasFreeSlot {
            if let retryBy {
                needs.append(retryBy)
            } else if !unserved.isEmpty {
                needs.append(forbiddenUntil)
            }
        }
        return needs
    }

    // MARK: What happens

    /// - Returns: whether it ends a pause caused by the module's own triggers.
    mutating func note(_ trigger: TriggerEvent, at now: Instant) -> Bool {
        let isBreak = noteOrigin(of: trigger, at: now)
        defer { unserved.append(trigger) }
        firstTrigger = firstTrigger ?? now
        lastTrigger = now
        heardAt = now
        dueTogether = nil
        return isBreak
    }

    mutating func owe(_ cause: Cause, at now: Instant) {
        guard isEnabled, !isPaused else { return }
        owed.insert(cause)
        heardAt = now
        dueTogether = nil
    }

    mutating func pause(until deadline: Instant?) {
        isPaused = true
        pausedUntil = deadline
        owed = []
        retryBy = nil
        dueTogether = nil
    }

    mutating func resume(at now: Instant) {
        guard isPaused else { return }
        isPaused = false
        pausedUntil = nil
        owe(.request, at: now)
    }

    /// Section 5 of the design on G9: a module is polled "at least every 5 s".
    private var pollPeriod: Duration { min(policy.interval ?? .seconds(5), .seconds(5)) }

    /// Nil while all its triggers are watched.
    var deafness: Deafness? {
        guard !faults.isEmpty else { return nil }
        let reasons = [faults[.path], faults[.journal]].compactMap { $0 }
        return Deafness(
            reason: reasons.joined(separator: "; "), isPolled: policy.interval != nil)
    }

    mutating func deafen(_ cause: Cause, _ reason: String, at now: Instant) {
        guard isEnabled else { return }
        let heard = faults.isEmpty
        if faults.updateValue(reason, forKey: cause) == nil {
            newDeafness = Deafness(reason: reason, isPolled: policy.interval != nil)
            mustTellDeafness = true
        }
        guard heard else { return }
        rearmBy = now + pollPeriod
    }

    mutating func hearAgain(_ cause: Cause, at now: Instant) {
        guard faults.removeValue(forKey: cause) != nil else { return }
        if faults.isEmpty {
            rearmBy = nil
            mustTellDeafness = true
            newDeafness = nil
            while let due = nextInterval, due <= now { nextInterval = due + period }
        }
        // Interval "off" means triggers alone, and only for a path is it unknown what happened.
        if policy.isCheckedAtStart { owe(.start, at: now) }
    }

    mutating func noteTime(_ now: Instant) {
        heardAt = now
        elapsedAt = now
        if let due = rearmBy, due <= now { passRearm(due, at: now) }
        if let due = nextInterval, due <= now { passInterval(due, at: now) }
        if let pausedUntil, pausedUntil <= now { resume(at: now) }
    }

    /// While a module is deaf, this stands in for its interval.
    private mutating func passRearm(_ due: Instant, at now: Instant) {
        var next = due
        while next <= now { next = next + pollPeriod }
        rearmBy = next
        mustRearm = true
        if policy.interval != nil, run == nil, retryBy == nil { owe(.interval, at: now) }
    }

    /// Skips periods that were missed; a run under way looks already.
    private mutating func passInterval(_ due: Instant, at now: Instant) {
        var next = due
        while next <= now { next = next + period }
        nextInterval = next
        guard deafness == nil, run == nil, retryBy == nil else { return }
        let isAlone = isAtRest && !isPaused
        owe(.interval, at: now)
        dueTogether = isAlone ? due : nil
    }

    /// The check is starting, which serves every reason for it.
    mutating func begin(_ run: ObservedRun) -> [TriggerEvent] {
        defer {
            unserved = []
            firstTrigger = nil
            lastTrigger = nil
            owed = []
            dueTogether = nil
            retryBy = nil
            passedBy = nil
        }
        self.run = run
        isEchoRun = areEchoes
        spans = Array(spans.suffix(1)) + [(start: run.roleStarted, end: nil)]
        return unserved
    }

    mutating func backOff(at now: Instant) {
        retryFrom = now + min(.seconds(1 << min(failures, 20)), period)
        cooledAt = retryFrom
        failures += 1
    }

    /// Still being written: retried in a second.
    mutating func awaitCompletion(at now: Instant) {
        waits += 1
        retryFrom = now + .seconds(1)
        cooledAt = retryFrom
        heardAt = now
        retryBy = isPaused ? nil : retryFrom
    }

    mutating func conclude(after check: Duration, isServed: Bool, at now: Instant) {
        endRun(at: now)
        heardAt = now
        let cooldown =
            switch policy.cooldown {
            case .fixed(let span): span
            case .auto: min(max(.milliseconds(100), check * 9), period)
            }
        cooledAt = now + cooldown
        if isServed { judgeEchoes(cooldown, at: now) }
    }
}
