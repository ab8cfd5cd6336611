// SPDX-License-Identifier: GPL-3.0-or-later

/// A run under way: the executable that runs, and the stage of ending it.
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

    let run: Run
    var role = Role.check
    var stage = Stage.working
    /// When the stage has taken too long.
    var deadline: Instant
    /// When the role's executable was started.
    var started: Instant
    /// Why the daemon ended the executable; overrides the process's own exit status.
    var forcedTermination: Termination?
    var check: Termination?
    var checkDuration = Duration.zero
    var response: ResponseOutcome?
    /// Why the kernel refused to kill a process of the run, and what to do about it.
    var refusal: String?

    init(run: Run, timeout: Duration, at now: Instant) {
        self.run = run
        started = now
        deadline = now + timeout
    }

    /// Begins the response in the same slot, after the check has found that the condition holds.
    mutating func beginResponse(timeout: Duration, at now: Instant) {
        role = .response
        started = now
        deadline = now + timeout
    }

    /// Records how the main process ended.
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

    /// Returns the command that ends the run by force. Once the executable has ended, that is
    /// `.clear`, since its answer also says that no process is left.
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
