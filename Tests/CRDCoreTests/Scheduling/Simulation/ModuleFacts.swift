// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// What has happened to one module, and what the design's section 6 makes of it.
struct ModuleFacts {
    private(set) var policy: Policy
    /// What it is to be when the run under way has ended: nil within nil stands for nothing at all.
    private var successor: Policy??
    /// The run has ended, and what comes after it is not in force yet.
    var mustSucceed = false
    /// Its number is free, which is still to be said.
    var mustForget = false
    /// How often in a row an executable was being written.
    var waits = 0
    /// Every trigger that no check was started for, oldest first.
    var unserved: [TriggerEvent] = []
    /// Of the triggers since a check was last started, or could not be: settling counts from them.
    var firstTrigger: Instant?
    var lastTrigger: Instant?
    /// Reasons for a run besides triggers.
    var owed: Set<Cause> = []
    /// The deadline for which an interval run has been owed, as long as nothing else concerns it.
    var dueTogether: Instant?
    var nextInterval: Instant?
    var isPaused = false
    var pausedUntil: Instant?
    /// After a check could not be started: when it is tried again, at the earliest, later each
    /// time, and at the latest.
    var failures = 0
    var retryFrom: Instant
    var retryBy: Instant?
    var retryCause = Cause.interval
    /// The end of the last run's cooldown.
    var cooledAt: Instant
    /// When its runs went on, the latest ones last (G10).
    private var spans: [(start: Instant, end: Instant?)] = []
    /// Of the triggers, by their marks, those that happened during one of the two latest runs.
    private var echoes: Set<[UInt8]> = []
    /// How many runs in a row were caused by such alone; whether that was told; until when they wait.
    private(set) var echoRuns = 0
    private var isEchoTold = false
    private(set) var mustTellEchoes = false
    private(set) var quietUntil: Instant
    /// Whether the run under way was caused by such alone.
    private var isEchoRun = false
    /// When responses of runs with events began.
    var answered: [Instant] = []
    var run: ObservedRun?
    var health: Health = .well
    /// What cannot be watched, and why.
    private var faults: [Cause: String] = [:]
    /// While it is deaf: when it must be tried again to watch (G9).
    var rearmBy: Instant?
    /// What must be said before the scheduler takes in anything else.
    var mustRearm = false
    var mustTellDeafness = false
    /// What must be said; nil: that it hears again.
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

    /// What a module without an interval of its own goes by.
    var period: Duration { policy.interval ?? policy.fallbackInterval }

    // MARK: Reload (G11)

    /// The files say this; nil: it is gone. Nothing of a run under way may change.
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
        // Only as many as the limit had need of are remembered.
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
            // Of a period that changes, what has passed counts.
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

    /// Its files were mended: what could not be started is tried again.
    mutating func forgive(at now: Instant) {
        (failures, waits) = (0, 0)
        guard retryBy != nil else { return }
        retryFrom = now
        cooledAt = min(cooledAt, now)
        // What has elapsed at this very time had no occasion to know.
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

    /// Whether all that waits seems to come out of the module's own runs.
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

    /// The run under way is no more.
    mutating func endRun(at now: Instant) {
        run = nil
        if !spans.isEmpty { spans[spans.count - 1].end = now }
    }

    func mayStart(at now: Instant) -> Bool {
        !owed.isEmpty || (retryBy != nil && retryFrom <= now)
            || (!unserved.isEmpty && forbiddenUntil <= now)
    }

    /// Whether a run is due and the scheduler had the occasion to know it.
    var mustStart: Bool {
        guard isEnabled, !isPaused, run == nil else { return false }
        if let retryBy { return !owed.isEmpty || retryBy <= elapsedAt }
        return !owed.isEmpty || (!unserved.isEmpty && forbiddenUntil <= heardAt)
    }

    /// Whether somebody waits for what is due, as opposed to the timer.
    var isUrgent: Bool {
        owed.contains(.request)
            || (retryBy == nil && !unserved.isEmpty && forbiddenUntil <= heardAt)
    }

    var isAtRest: Bool { run == nil && owed.isEmpty && unserved.isEmpty && retryBy == nil }

    /// When the scheduler must be woken for this module's sake.
    func wakeNeeded(hasFreeSlot: Bool) -> Instant? {
        guard isEnabled else { return nil }
        var needs = [rearmBy].compactMap { $0 }
        if let run {
            needs.append(run.due)
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

    /// - Returns: whether it ends a pause that its own triggers had to keep.
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

    /// What the design's section 5 says of G9: looked at "at least every 5 s".
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
        // The interval "off" says: triggers alone, and only of a path it is unknown what happened.
        if policy.isCheckedAtStart { owe(.start, at: now) }
    }

    mutating func noteTime(_ now: Instant) {
        heardAt = now
        elapsedAt = now
        if let due = rearmBy, due <= now { passRearm(due, at: now) }
        if let due = nextInterval, due <= now { passInterval(due, at: now) }
        if let pausedUntil, pausedUntil <= now { resume(at: now) }
    }

    /// While a module is deaf, this is what its interval is otherwise.
    private mutating func passRearm(_ due: Instant, at now: Instant) {
        var next = due
        while next <= now { next = next + pollPeriod }
        rearmBy = next
        mustRearm = true
        if policy.interval != nil, run == nil, retryBy == nil { owe(.interval, at: now) }
    }

    /// Periods that were missed are skipped, and a run under way looks already.
    private mutating func passInterval(_ due: Instant, at now: Instant) {
        var next = due
        while next <= now { next = next + period }
        nextInterval = next
        guard deafness == nil, run == nil, retryBy == nil else { return }
        let isAlone = isAtRest && !isPaused
        owe(.interval, at: now)
        dueTogether = isAlone ? due : nil
    }

    /// The check is being started: all that was a reason for it is served.
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

    /// It was being written: a second later.
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
