// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import TestSupport

/// One seed's story: a world that pushes the scheduler about, and a model that watches.
struct SchedulerSimulation {
    private var world: SimulatedWorld
    private var scheduler: Scheduler
    private(set) var contract: ContractModel
    private var now = Instant(nanoseconds: 1_000_000_000)
    /// Events and commands, kept if `isTold`.
    private(set) var story: [String] = []
    private let isTold: Bool
    /// By module, the runs with events since the world became calm.
    private var runsWithEvents: [Int]
    private var isCalm = false

    init(seed: UInt64, isTold: Bool = false) {
        world = SimulatedWorld(seed: seed)
        scheduler = Scheduler(world.policies, slots: world.slots, at: now)
        contract = ContractModel(world.policies, slots: world.slots, at: now)
        runsWithEvents = Array(repeating: 0, count: world.policies.count)
        self.isTold = isTold
    }

    /// The safety phase, then the liveness phase, and in a third of the seeds the end.
    mutating func run(steps: Int) throws(Violation) {
        try send(.started)
        for _ in 0..<steps { try step() }
        try calmDown()
        guard world.random.below(3) == 0 else { return }
        roughen()
        for _ in 0..<40 { try step() }
        try end()
    }

    // MARK: One event

    private mutating func send(_ event: Event) throws(Violation) {
        let commands = scheduler.receive(event.read(at: now), at: now)
        if isTold { tell(event, commands) }
        try contract.observe(event, commands, at: now)
        for command in commands {
            try world.perform(command, at: now)
        }
        try Violation.unless(
            scheduler.slotsInUse == contract.slotsInUse, "G4",
            "\(scheduler.slotsInUse) slots are said to be in use, not \(contract.slotsInUse)")
        try judgeDeadline(after: event)
        let shown = event.module ?? world.drawModule()
        try contract.judge(scheduler.status(of: shown, at: now), of: shown, at: now)
        for command in commands {
            if isCalm { try followCalm(command) } else { try besiegeAgain(command) }
        }
    }

    /// Nothing that waits for time is forgotten, and no deadline keeps the shell spinning.
    private mutating func judgeDeadline(after event: Event) throws(Violation) {
        let deadline = scheduler.nextDeadline
        if let needed = contract.wakeNeeded {
            try Violation.unless(
                deadline.map { $0 <= needed } ?? false, "deadline",
                """
                something waits for \(needed.nanoseconds), the next deadline is \
                \(deadline.map { "\($0.nanoseconds)" } ?? "none")
                """)
        }
        guard case .elapsed = event else { return }
        try Violation.unless(
            deadline.map { $0 > now } ?? true, "deadline", "the same deadline would come again")
    }

    private mutating func elapse() throws(Violation) {
        try send(.elapsed)
        guard world.random.percent(20) else { return }
        let again = scheduler.receive(.elapsed, at: now)
        try Violation.unless(again.isEmpty, "deadline", "the same time brings \(again)")
    }

    private mutating func tell(_ event: Event, _ commands: [Command]) {
        let answers = commands.map(\.inShort).joined(separator: ", ")
        let time = Double(now.nanoseconds) / 1e9
        story.append("\(time) \(event.inShort) → \(answers)")
    }

    // MARK: Safety: anything may happen

    private mutating func step() throws(Violation) {
        passTime()
        if let module = world.unanswered, world.random.percent(3) { try burst(module) }
        if world.random.percent(60), try handleWhatIsDue() { return }
        switch world.random.below(1_000) {
        case ..<pressure: try send(.triggered(world.drawTarget(), world.drawTrigger()))
        case ..<700:
            if let next = nextThing, world.unanswered == nil { now = max(now, next) }
            if try !handleWhatIsDue() { try elapse() }
        case ..<703: try burst(world.drawTarget())
        case ..<713 where world.weather == .quiet: try loop(world.drawTarget())
        case ..<800: try send(.requested(world.drawTarget()))
        case ..<850: try send(.paused(world.drawTarget(), until: drawPauseEnd()))
        case ..<940: try send(.resumed(world.drawModule()))
        case ..<960 where world.isHardOfHearing: try send(world.drawHearing())
        case ..<966: try send(.refused(world.drawModule(), reason: "runs as root"))
        case ..<980 where world.isEdited && world.unanswered == nil:
            try send(.reloaded(world.drawReload()))
        default: try elapse()
        }
    }

    private var pressure: Int {
        switch world.weather {
        case .quiet: 100
        case .busy: 350
        case .storm: 650
        case .siege: 300
        }
    }

    private var nextThing: Instant? {
        mutating get { [scheduler.nextDeadline, world.nextOccurrence].compactMap { $0 }.min() }
    }

    /// Keeps the time, advances it a little, or jumps to the next thing due; also beyond it if the
    /// world is not punctual.
    private mutating func passTime() {
        guard world.unanswered == nil else { return }
        let next = nextThing
        var target = now
        switch world.random.below(10) {
        case ..<4: break
        case ..<6: target = now + world.random.upTo(.milliseconds(1))
        case ..<7: target = now + world.random.upTo(.milliseconds(500))
        default: target = max(next ?? now, now)
        }
        if world.isPunctual, let next { target = min(target, max(next, now)) }
        if !world.isPunctual && world.random.percent(10) {
            target =
                target + world.random.upTo(world.random.pick([.milliseconds(20), .seconds(7)]))
        }
        now = target
    }

    /// Tells the scheduler one of the things that have happened, if any.
    private mutating func handleWhatIsDue() throws(Violation) -> Bool {
        let isElapsed = scheduler.nextDeadline.map { $0 <= now } ?? false
        if isElapsed && world.random.percent(50) {
            try elapse()
            return true
        }
        if let event = world.takeOccurrence(at: now) {
            try send(event)
            return true
        }
        if isElapsed { try elapse() }
        return isElapsed
    }

    private mutating func burst(_ module: ModuleID) throws(Violation) {
        let isHuge = world.random.percent(50)
        for _ in 0..<(isHuge ? 6 : 1_100) {
            let size = isHuge ? world.random.pick([100_000, 300_000, 700_000, 1_100_000]) : nil
            try send(.triggered(module, world.drawTrigger(size: size)))
        }
    }

    /// A module whose runs trigger it, for a while.
    private mutating func loop(_ module: ModuleID) throws(Violation) {
        for _ in 0..<60 where world.unanswered == nil {
            let facts = contract.modules[module.index]
            // An outsider's trigger is most interesting in a pause.
            if world.random.percent(facts.run != nil ? 60 : facts.isPausedByEchoes ? 10 : 5) {
                try send(.triggered(module, world.drawTrigger()))
            }
            if let next = nextThing { now = max(now, next) }
            if try !handleWhatIsDue() { try elapse() }
        }
    }

    private mutating func besiegeAgain(_ command: Command) throws(Violation) {
        guard world.weather == .siege, case .conclude(let module, _) = command,
            module.index < world.targets
        else { return }
        try send(.triggered(module, world.drawTrigger()))
    }

    private mutating func drawPauseEnd() -> Instant? {
        guard world.random.percent(70) else { return nil }
        return now
            + world.random.upTo(world.random.pick([.zero, .milliseconds(300), .seconds(20)]))
    }

    // MARK: Liveness: the world calms down, and so must the scheduler

    private mutating func calmDown() throws(Violation) {
        isCalm = true
        world.calm(true, at: now)
        for index in world.policies.indices { try send(.resumed(ModuleID(index))) }
        let end = now + patience
        var awaited = world.policies.indices.filter { isAwaited($0) }
        while !(awaited.isEmpty && contract.slotsInUse == 0) {
            guard let next = nextThing, next <= end else {
                throw Violation(message: "liveness: \(waiting(awaited)) never came to rest")
            }
            now = max(now, next)
            _ = try handleWhatIsDue()
            awaited = awaited.filter { isAwaited($0) }
        }
    }

    private func isAwaited(_ index: Int) -> Bool {
        !contract.modules[index].isAtRest || contract.modules[index].deafness != nil
    }

    /// The longest wait: for ends and watches; then settling, cooldown, limit and retries, once for
    /// pending events and once for what the last response touches; then the queue.
    private var patience: Duration {
        let ending =
            world.policies.map { $0.grace * 2 + Scheduler.killPatience + Scheduler.stuckPeriod }
            .max() ?? .zero
        let waiting = world.policies.map { policy in
            let period = policy.interval ?? policy.fallbackInterval
            var cooldown = period
            if case .fixed(let span) = policy.cooldown { cooldown = span }
            return period + policy.settle * 10 + cooldown + (policy.limit?.window ?? .zero)
        }
        return .seconds(10) + Scheduler.pollPeriod * 2 + ending + (waiting.max() ?? .zero) * 2
            + .seconds(10)
    }

    private func waiting(_ modules: [Int]) -> String {
        modules.map { "\(world.policies[$0].name)" }.joined(separator: ", ")
    }

    /// A response that touches the module's own path causes exactly one more check. So the runs
    /// are: the one under way at the calm, one for pending events, one for the touch.
    private mutating func followCalm(_ command: Command) throws(Violation) {
        switch command {
        case .conclude(let module, let conclusion) where conclusion.response != nil:
            try send(.triggered(module, world.drawTrigger()))
        case .spawn(let module, .check, let run) where !run.events.isEmpty:
            runsWithEvents[module.index] += 1
            try Violation.unless(
                runsWithEvents[module.index] <= 3, "G10",
                "\(world.policies[module.index].name) keeps itself busy")
        default: break
        }
    }

    private mutating func roughen() {
        isCalm = false
        world.calm(false, at: now)
    }

    // MARK: The end

    private mutating func end() throws(Violation) {
        let started = now
        let graces = (world.policies.map(\.grace).max() ?? .zero) * 2
        try send(.stopped)
        let isImpatient = world.random.percent(40)
        while !contract.hasExited {
            let next = nextThing ?? now
            now = max(now, next)
            if world.random.percent(20) {
                try send(.triggered(world.drawModule(), world.drawTrigger()))
            }
            if world.random.percent(5) { try send(.requested(world.drawModule())) }
            if world.random.percent(5) { try send(world.drawHearing()) }
            if isImpatient && contract.stops == 1 && world.random.percent(30) { try send(.stopped) }
            _ = try handleWhatIsDue()
            try Violation.unless(
                started.duration(to: now)
                    <= graces + Scheduler.killPatience + SimulatedWorld.outputMax, "exit",
                "the end takes longer than twice the grace, output, and the patience after a kill")
        }
        try send(.stopped)
        for _ in 0..<5 where try !handleWhatIsDue() { try send(.requested(world.drawModule())) }
    }
}

extension Event {
    fileprivate var module: ModuleID? {
        switch self {
        case .started, .elapsed, .stopped, .reloaded: nil
        case .journalRead: nil
        case .triggered(let module, _), .matched(let module, _), .requested(let module),
            .spawned(let module, _), .awaitingOutput(let module, _), .exited(let module, _),
            .emptied(let module),
            .unable(let module, _),
            .refused(let module, _),
            .notReady(let module, _),
            .deafened(let module, _, _), .rearmed(let module, _), .paused(let module, _),
            .resumed(let module):
            module
        }
    }

    fileprivate var inShort: String {
        switch self {
        case .triggered(let module, let trigger): "triggered \(module.index) \(trigger.cause)"
        case .exited(let module, let termination): "exited \(module.index) \(termination)"
        case .emptied(let module): "emptied \(module.index)"
        case .awaitingOutput(let module, _): "awaiting output \(module.index)"
        case .spawned(let module, _): "spawned \(module.index)"
        case .unable(let module, _): "unable \(module.index)"
        case .notReady(let module, _): "not ready \(module.index)"
        case .reloaded(let reload): reload.inShort
        case .requested(let module): "requested \(module.index)"
        case .deafened(let module, let cause, let reason):
            "deafened \(module.index) to \(cause): \(reason)"
        case .rearmed(let module, let cause): "rearmed \(module.index) to \(cause)"
        case .paused(let module, let until):
            "paused \(module.index) until \(until.map { "\($0.nanoseconds)" } ?? "resumed")"
        case .resumed(let module): "resumed \(module.index)"
        default: "\(self)"
        }
    }
}

extension Reload {
    fileprivate var inShort: String {
        let changes = changes.map { "\($0.module.index)\($0.isEdited ? "" : " outside")" }
        return "reloaded \(changes), gone \(removed.map(\.index)), \(slots) slots"
    }
}

extension Command {
    fileprivate var inShort: String {
        switch self {
        case .spawn(let module, let role, let run):
            "\(role) \(module.index) for \(run.cause) with \(run.events.lines.count)"
        case .signal(let module, let signal): "\(signal) \(module.index)"
        case .clear(let module, let signal):
            "clear \(module.index) \(signal.map { "\($0)" } ?? "")"
        case .conclude(let module, _): "conclude \(module.index)"
        case .note(let module, .health(let health)): "report \(module.index) \(health)"
        case .rearm(let module): "rearm \(module.index)"
        case .note(let module, .selfTriggered): "report \(module.index) triggers itself"
        case .note(let module, .deafness(let deafness)):
            "report \(module.index) \(deafness == nil ? "hears" : "deaf")"
        case .note(let module, .entriesPassedOver(let count)):
            "report \(module.index) \(count) too old"
        case .note(let module, .keysForgotten(let count)):
            "report \(module.index) forgets \(count)"
        case .storeJournalRecords: "store"
        case .forget(let module): "forget \(module.index)"
        case .exit: "exit"
        }
    }
}
