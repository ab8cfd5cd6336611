// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import TestSupport

/// The machine that one seed draws: its modules, how rough their processes are, and what the
/// shell would do with the scheduler's commands.
struct SimulatedWorld {
    /// How densely triggers come.
    enum Weather: CaseIterable {
        case quiet, busy, storm
        /// Some modules are triggered again after each run, more than the slots can take.
        case siege
    }

    var random: SplitMix64
    private(set) var policies: [Policy]
    private(set) var slots: Int
    let weather: Weather
    /// Whether each deadline and each end of a process is told exactly on time.
    let isPunctual: Bool
    /// The modules that are triggered.
    let targets: Int
    /// In percent, how often something goes wrong with a process.
    private let roughness: Int
    private var trees: [ProcessTree]
    /// Free module numbers.
    private var gone: Set<Int> = []
    /// Whether files change.
    let isEdited: Bool
    /// No process misbehaves any more, and a condition holds until its response has run once.
    private var isCalm = false
    private var holds: [Bool]
    private var linesMade: UInt64 = 0
    /// Whether watching triggers can fail, and the shell's answers when told to rearm them.
    let isHardOfHearing: Bool
    private var answers: [(time: Instant, event: Event)] = []

    init(seed: UInt64) {
        // Neighbouring seeds must not share their first draws.
        random = SplitMix64(seed: seed &* 0xD134_2543_DE82_EF95 &+ 1)
        let count = 1 + random.below(12)
        let configuration = Configuration()
        var policies: [Policy] = []
        for index in 0..<count {
            policies.append(Self.drawPolicy(index, configuration, &random))
        }
        weather = random.pick(Weather.allCases)
        slots = weather == .siege ? 1 : 1 + random.below(4)
        targets = weather == .siege ? min(2, count) : count
        if weather == .siege { for index in 0..<targets { Self.besiege(&policies[index]) } }
        self.policies = policies
        isPunctual = random.percent(60)
        roughness = random.pick([0, 5, 15, 30])
        trees = Array(repeating: ProcessTree(), count: count)
        holds = Array(repeating: true, count: count)
        isHardOfHearing = random.percent(60)
        let isBusyEditor = random.percent(60)
        isEdited = isBusyEditor ? weather != .siege : false
    }

    // MARK: What is drawn once

    private static func drawPolicy(
        _ index: Int, _ configuration: Configuration, _ random: inout SplitMix64
    ) -> Policy {
        let initial = random.pick(["a", "B", "c", "D", "9", "z"])
        guard let name = ModuleName("\(initial)\(random.below(90) + 10).\(index)") else {
            preconditionFailure("a name that is not allowed was drawn")
        }
        var policy = Policy(name: name, configuration: configuration)
        policy.interval = random.pick([
            nil, nil, .milliseconds(500), .seconds(1), .seconds(2), .seconds(2), .seconds(30),
            .seconds(300),
        ])
        policy.fallbackInterval = random.pick([.seconds(2), .seconds(30)])
        policy.settle = random.pick([
            .zero, .zero, .zero, .milliseconds(5), .milliseconds(50), .seconds(3),
        ])
        policy.cooldown = random.pick([
            .auto, .auto, .fixed(.zero), .fixed(.zero), .fixed(.milliseconds(200)),
            .fixed(.seconds(60)),
        ])
        policy.limit = random.pick([
            nil, nil, .init(count: 1, window: .seconds(2)), .init(count: 2, window: .seconds(5)),
            .init(count: 30, window: .seconds(60)),
        ])
        policy.timeouts = [
            .check: random.pick([.milliseconds(50), .seconds(1), .seconds(10)]),
            .response: random.pick([.milliseconds(50), .seconds(1), .seconds(10)]),
        ]
        policy.grace = random.pick([.zero, .milliseconds(100), .seconds(1), .seconds(5)])
        (policy.conditionCodes, policy.clearCodes) = random.pick([
            ([0], [1]), ([0], [1]), ([0, 3], [1, 2]), ([7], [0]),
        ])
        policy.leftovers = random.percent(30) ? .keep : .kill
        policy.isCheckedAtStart = random.percent(80)
        policy.standing = random.pick(
            Array(repeating: .enabled, count: 14) + [.disabled, .failed(reason: "drawn")])
        return policy
    }

    /// Nothing defers the module, so that it can take all there is.
    private static func besiege(_ policy: inout Policy) {
        policy.standing = .enabled
        policy.settle = .zero
        policy.cooldown = .fixed(.zero)
        policy.limit = nil
    }

    // MARK: What is drawn again and again

    mutating func drawModule() -> ModuleID { ModuleID(random.below(policies.count)) }

    mutating func drawTarget() -> ModuleID { ModuleID(random.below(targets)) }

    /// Every line differs, so that none can be mistaken for another.
    mutating func drawTrigger(size: Int? = nil) -> TriggerEvent {
        linesMade += 1
        let mark = withUnsafeBytes(of: linesMade) { Array($0) }
        let line = mark + Array(repeating: 0x20, count: size ?? 0)
        return TriggerEvent(
            cause: random.pick([.path, .journal, .signal]), line: line,
            variables: [.init(name: "CRD_PATH", value: mark)],
            readAt: Instant(nanoseconds: 0),
            age: random.percent(20) ? random.upTo(.seconds(2)) : .zero,
            isForeign: weather == .siege || (weather != .quiet && random.percent(40)))
    }

    /// Some modules change, go, or take the place of one that has gone.
    mutating func drawReload() -> Reload {
        if random.percent(20) { slots = 1 + random.below(4) }
        var reload = Reload(slots: slots)
        var drawn: Set<Int> = []
        for _ in 0..<(1 + random.below(3)) {
            let index = random.below(policies.count)
            guard drawn.insert(index).inserted else { continue }
            let isGone = gone.remove(index) != nil
            if !isGone && random.percent(25) {
                reload.removed.append(ModuleID(index))
                continue
            }
            var policy = Self.drawPolicy(index, Configuration(), &random)
            if !isGone { policy.name = policies[index].name }
            policies[index] = policy
            reload.changes.append(
                .init(ModuleID(index), policy, isEdited: random.percent(70)))
        }
        return reload
    }

    private static let deafCauses: [Cause] = [.path, .journal]

    /// A change in what can be watched; often one that the scheduler knows already.
    mutating func drawHearing() -> Event {
        let module = drawModule()
        let cause = random.pick(Self.deafCauses)
        if random.percent(40) { return .rearmed(module, cause) }
        return .deafened(module, cause, reason: random.pick(["no watch left", "not readable"]))
    }

    private mutating func drawProcess(_ role: Role, _ policy: Policy, at now: Instant)
        -> ProcessTree.Process
    {
        if isCalm { return .init(end: now + random.upTo(.milliseconds(5))) }
        let timeout = policy.timeouts[role] ?? .zero
        let usual =
            weather == .storm || weather == .siege ? Duration.milliseconds(5) : .milliseconds(80)
        var process = ProcessTree.Process(end: now + random.upTo(usual))
        guard random.percent(roughness) else { return process }
        process.end =
            now + random.pick([.zero, .seconds(2), timeout, timeout * 2, .seconds(3_600)])
        process.diesOfTerminate = random.percent(60)
        if random.percent(15) { process.dyingTakes = random.upTo(.seconds(20)) }
        return process
    }

    /// The longest time that the end of a process waits for its output.
    static let outputMax = Duration.seconds(6)

    /// How long it takes, nil if nobody waits for it.
    private mutating func drawOutput() -> Duration? {
        guard !isCalm, random.percent(10) else { return nil }
        return random.pick([.zero, .milliseconds(20), Self.outputMax])
    }

    private mutating func drawTermination(_ role: Role, _ module: ModuleID) -> Termination {
        let policy = policies[module.index]
        guard role == .check else { return .exited(random.percent(80) ? 0 : 1) }
        let condition = policy.conditionCodes.sorted()
        let clear = policy.clearCodes.sorted()
        if isCalm { return .exited(holds[module.index] ? condition[0] : clear[0]) }
        switch random.below(100) {
        case ..<50: return .exited(random.pick(condition))
        case ..<85: return .exited(random.pick(clear))
        case ..<95: return .exited(random.pick([4, 77, 127, 255]))
        default: return .signaled(11)
        }
    }

    /// A child that does not end by itself, or not soon.
    private mutating func drawChild(at now: Instant) -> ProcessTree.Process {
        ProcessTree.Process(
            end: now + random.pick([.milliseconds(100), .seconds(3_600)]),
            diesOfTerminate: random.percent(60),
            dyingTakes: random.percent(15) ? random.upTo(.seconds(20)) : .zero)
    }

    // MARK: The shell's part

    mutating func perform(_ command: Command, at now: Instant) throws(Violation) {
        switch command {
        case .spawn(let module, let role, _): try spawn(role, of: module, at: now)
        case .signal(let module, let signal): trees[module.index].signal(signal, at: now)
        case .clear(let module, let signal):
            let isNoticeLost = !isCalm && random.percent(roughness)
            trees[module.index].clear(signal, isNoticeLost: isNoticeLost, at: now)
        case .conclude(let module, _): trees[module.index] = ProcessTree()
        case .forget(let module): gone.insert(module.index)
        case .rearm(let module): rearm(module, at: now)
        case .note, .storeJournalRecords, .exit: break
        }
    }

    private mutating func rearm(_ module: ModuleID, at now: Instant) {
        let time = now + random.pick([.zero, .zero, random.upTo(.seconds(7))])
        for cause in Self.deafCauses {
            if isCalm || random.percent(30) {
                answers.append((time, .rearmed(module, cause)))
            } else if random.percent(30) {
                answers.append((time, .deafened(module, cause, reason: "still no watch left")))
            }
        }
    }

    private mutating func spawn(
        _ role: Role, of module: ModuleID, at now: Instant
    ) throws(Violation) {
        let policy = policies[module.index]
        try Violation.unless(
            role == .check ? trees[module.index].isEmpty : trees[module.index].main == nil,
            "G3", "\(policy.name) has processes when its \(role) is to start")
        if !isCalm && random.percent(roughness / 2) {
            trees[module.index].failToStart(isUnready: random.percent(50), at: now)
            return
        }
        let process = drawProcess(role, policy, at: now)
        trees[module.index].start(
            process, endingWith: drawTermination(role, module),
            outputTakes: drawOutput())
        if !isCalm && random.percent(roughness) { trees[module.index].addChild(drawChild(at: now)) }
        if isCalm && role == .response { holds[module.index] = false }
    }

    // MARK: What happens next

    /// When the next process ends, or the next answer comes.
    var nextOccurrence: Instant? {
        (trees.compactMap { $0.next?.time } + answers.map(\.time)).min()
    }

    /// A module that failed to start, which must be told before time can pass.
    var unanswered: ModuleID? { trees.firstIndex(where: \.isAnswerDue).map { ModuleID($0) } }

    /// An event that is due by now: any of them, or the earliest if punctual.
    mutating func takeOccurrence(at now: Instant) -> Event? {
        if random.percent(50), let answer = takeAnswer(at: now) { return answer }
        return takeEnd(at: now) ?? takeAnswer(at: now)
    }

    private mutating func takeAnswer(at now: Instant) -> Event? {
        guard let index = answers.firstIndex(where: { $0.time <= now }) else { return nil }
        return answers.remove(at: index).event
    }

    private mutating func takeEnd(at now: Instant) -> Event? {
        var due = trees.indices.filter { (trees[$0].next?.time).map { $0 <= now } ?? false }
        if isPunctual {
            let first = due.compactMap { trees[$0].next?.time }.min()
            due = due.filter { trees[$0].next?.time == first }
        }
        guard !due.isEmpty else { return nil }
        let index = random.pick(due)
        guard let (_, occurrence) = trees[index].next else { return nil }
        trees[index].pass(occurrence)
        let module = ModuleID(index)
        switch occurrence {
        case .unable: return .unable(module, reason: "cannot be started")
        case .notReady: return .notReady(module, reason: "is being written")
        case .awaitingOutput(let time): return .awaitingOutput(module, since: time)
        case .exited(let termination): return .exited(module, termination)
        case .emptied: return .emptied(module)
        }
    }

    /// From now on everything starts, does its work and ends.
    mutating func calm(_ isCalm: Bool, at now: Instant) {
        self.isCalm = isCalm
        holds = Array(repeating: true, count: holds.count)
        guard isCalm else { return }
        for index in trees.indices { trees[index].calm(within: .seconds(10), at: now) }
    }
}
