// SPDX-License-Identifier: GPL-3.0-or-later

/// A run under way: the executable that runs, and the stage of ending it.
///
/// Whatever happens to it leads to the next stage and to the commands for the shell:
///
///     working → terminating → killing → stuck
///
/// An executable that ends by itself goes on from `working` as well, since what it leaves behind
/// is ended in the same way.
struct Execution {
    enum Stage {
        /// The executable runs within its timeout.
        case working
        /// SIGTERM was sent; SIGKILL comes at the deadline.
        case terminating
        /// SIGKILL was sent; at the deadline we stop waiting.
        case killing
        /// A process survives SIGKILL. The slot is free again, but the module is not. At each
        /// deadline the kernel is asked whether the process still exists.
        case stuck
    }

    /// What follows the end of an executable.
    enum Sequel {
        /// The response starts.
        case response
        /// The run is over.
        case conclusion
        /// The run is over when no process of it is left.
        case clearing
    }

    let module: ModuleID
    let run: Run
    private(set) var role = Role.check
    private(set) var stage = Stage.working
    /// When the stage has taken too long; nil while only output is awaited, which is bounded by
    /// the shell.
    private(set) var deadline: Instant?
    /// When the role's executable was started.
    private var started: Instant
    /// When the role's executable ended, if its output is still being read.
    private var ended: Instant?
    /// Why the daemon ended the executable; overrides the process's own exit status.
    private var forcedTermination: Termination?
    private(set) var check: Termination?
    private var checkDuration = Duration.zero
    private var response: ResponseOutcome?
    /// Why the kernel refused to kill a process of the run, and what to do about it.
    private(set) var refusal: String?

    init(_ run: Run, of module: ModuleID, timeout: Duration, at now: Instant) {
        self.module = module
        self.run = run
        started = now
        deadline = now + timeout
    }

    /// Whether other modules must wait for its slot.
    var holdsSlot: Bool { stage != .stuck }

    private mutating func enter(_ stage: Stage, until deadline: Instant) {
        self.stage = stage
        self.deadline = deadline
    }

    /// The executable was started at this time. Its duration counts from here.
    mutating func start(at time: Instant) {
        started = time
    }

    // MARK: The executable ends by itself

    /// The main process ended at this time, and its output is still being read. It was in time, if
    /// nobody has ended it so far.
    mutating func awaitOutput(since time: Instant) {
        ended = time
        if stage == .working { deadline = nil }
    }

    /// The main process has ended.
    ///
    /// - Parameter isStopping: the daemon stops, so no response starts any more.
    /// - Returns: what follows, and the commands for that.
    mutating func end(
        _ termination: Termination, _ policy: Policy, isStopping: Bool, at now: Instant
    ) -> (Sequel, [Command]) {
        record(termination, at: now)
        switch (stage, role) {
        case (.working, .check):
            // A leftover process could alter the output that the response reads.
            if let check, policy.verdict(of: check) == .holds && !isStopping {
                return (.response, [.signal(module, .kill)])
            }
            enter(.killing, until: now + Scheduler.killPatience)
            return (.clearing, [.clear(module, .kill)])
        case (.working, .response):
            if policy.leftovers == .keep { return (.conclusion, []) }
            enter(.terminating, until: now + policy.grace)
            return (.clearing, [.clear(module, .terminate)])
        case (.terminating, _): return (.clearing, [.clear(module, nil)])
        case (.killing, _), (.stuck, _): return (.clearing, [.clear(module, .kill)])
        }
    }

    private mutating func record(_ termination: Termination, at now: Instant) {
        let outcome = forcedTermination ?? termination
        let taken = started.duration(to: ended ?? now)
        ended = nil
        switch role {
        case .check:
            check = outcome
            checkDuration = taken
        case .response:
            response = .ended(outcome, after: taken)
        }
    }

    /// Begins the response in the same slot, after the check has found that the condition holds.
    mutating func beginResponse(timeout: Duration, at now: Instant) -> [Command] {
        role = .response
        started = now
        deadline = now + timeout
        return [.spawn(module, .response, run)]
    }

    /// The response could not be started.
    mutating func forgoResponse(_ outcome: ResponseOutcome, at now: Instant) -> [Command] {
        response = outcome
        enter(.killing, until: now + Scheduler.killPatience)
        return [.clear(module, .kill)]
    }

    // MARK: The run is ended by force

    /// The stage has taken too long.
    mutating func overrun(grace: Duration, isStopping: Bool, at now: Instant) -> [Command] {
        switch stage {
        case .working:
            forcedTermination = isStopping ? .stopped : .timedOut
            enter(.terminating, until: now + grace)
            return [.signal(module, .terminate)]
        case .terminating: enter(.killing, until: now + Scheduler.killPatience)
        // Once stuck, the notice of its end may be lost, and a refused signal may be allowed.
        case .killing, .stuck: enter(.stuck, until: now + Scheduler.stuckPeriod)
        }
        return [kill]
    }

    /// The daemon stops. A check is ended at once, since no response may follow it; a response gets
    /// `grace` to finish.
    mutating func beginEnd(grace: Duration, at now: Instant) -> [Command] {
        guard stage == .working, let deadline else { return [] }
        switch role {
        case .check: return overrun(grace: grace, isStopping: true, at: now)
        case .response:
            self.deadline = min(deadline, now + grace)
            return []
        }
    }

    /// The daemon was asked twice to stop.
    mutating func hasten(at now: Instant) -> [Command] {
        guard stage == .working || stage == .terminating else { return [] }
        forcedTermination = forcedTermination ?? .stopped
        enter(.killing, until: now + Scheduler.killPatience)
        return [kill]
    }

    /// Once the executable has ended, it is `.clear`, since its answer also says that no process is
    /// left.
    private var kill: Command {
        let hasEnded = role == .check ? check != nil : response != nil
        return hasEnded ? .clear(module, .kill) : .signal(module, .kill)
    }

    /// The kernel has refused a signal. Further processes of the run are refused for the same
    /// reason.
    mutating func refuse(_ reason: String) {
        refusal = refusal ?? reason
    }

    // MARK: Status

    var conclusion: Conclusion {
        guard let check else { preconditionFailure("a run was concluded before its check ended") }
        return Conclusion(
            number: run.number, cause: run.cause, check: check, checkDuration: checkDuration,
            response: response)
    }

    var phase: Phase {
        if stage == .stuck { return .stuck }
        return role == .check ? .checking : .responding
    }
}
