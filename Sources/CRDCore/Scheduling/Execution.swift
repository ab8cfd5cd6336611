// SPDX-License-Identifier: GPL-3.0-or-later

/// A run under way: which executable runs, and how far we are in ending it.
struct Execution {
    enum Stage {
        /// The executable runs within its timeout.
        case working
        /// SIGTERM was sent; SIGKILL comes at the deadline.
        case terminating
        /// SIGKILL was sent; at the deadline we stop waiting.
        case killing
        /// A process survives SIGKILL. The slot is free again, the module is not; at the deadline the
        /// kernel is asked again whether the process is still there.
        case stuck
    }

    let run: Run
    var role = Role.check
    var stage = Stage.working
    /// When the stage has taken too long.
    var deadline: Instant
    /// When the role's executable was started.
    var started: Instant
    /// Why we ended the executable; stands before anything that it says of itself.
    var forcedTermination: Termination?
    var check: Termination?
    var checkDuration = Duration.zero
    var response: ResponseOutcome?
    /// Why the kernel refused to kill a process of the run, and what to do.
    var refusal: String?

    init(run: Run, timeout: Duration, at now: Instant) {
        self.run = run
        started = now
        deadline = now + timeout
    }

    /// The check held: the response follows in the same slot.
    mutating func beginResponse(timeout: Duration, at now: Instant) {
        role = .response
        started = now
        deadline = now + timeout
    }

    /// Notes how the main process ended.
    mutating func record(_ termination: Termination, at now: Instant) {
        let outcome = forcedTermination ?? termination
        let taken = started.duration(to: now)
        switch role {
        case .check:
            check = outcome
            checkDuration = taken
        case .response:
            response = .ended(outcome, after: taken)
        }
    }

    mutating func enter(_ stage: Stage, until deadline: Instant) {
        self.stage = stage
        self.deadline = deadline
    }

    /// What to do to end the run by force: the answer to `.clear` tells that nothing is left, so it is
    /// the better question where the executable has ended.
    func command(sending signal: TreeSignal, to module: ModuleID) -> Command {
        let hasEnded = role == .check ? check != nil : response != nil
        return hasEnded ? .clear(module, signal) : .signal(module, signal)
    }

    var conclusion: Conclusion {
        guard let check else { preconditionFailure("a run was concluded before its check ended") }
        return Conclusion(
            number: run.number, cause: run.cause, check: check, checkDuration: checkDuration,
            response: response)
    }
}
