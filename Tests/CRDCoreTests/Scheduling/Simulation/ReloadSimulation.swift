// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import TestSupport

/// One seed's story of modules that somebody edits while the daemon reads them, and a contract that
/// watches.
struct ReloadSimulation {
    /// A module's files.
    private struct Files: Equatable {
        /// Differs after each change.
        var version: Int
        var unreadiness: FileChanges.Unreadiness?
        var hasManifest: Bool
    }

    private static let names = ["a", "b", "c", "d"].compactMap { ModuleName($0) }

    private var random: SplitMix64
    private var schedule = ReloadSchedule()
    private(set) var contract = ReloadContract()
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var disk: [ModuleName: Files] = [:]
    /// What was taken in.
    private var inForce: [ModuleName: Files] = [:]
    private var lost: Set<ReloadSchedule.WatchedPart> = []
    private var isOff = false
    private var areAccountsPending = false
    private var versions = 0
    /// Whether the daemon wakes up at each deadline on time, and never has to wait for its triggers.
    private let isPunctual: Bool
    /// Whether somebody edits one module all the time.
    private let isRestless: Bool
    private let isTold: Bool
    private(set) var story: [String] = []
    private var isCalm = false

    init(seed: UInt64, isTold: Bool = false) {
        random = SplitMix64(seed: seed &* 0xD134_2543_DE82_EF95 &+ 1)
        isPunctual = random.percent(50)
        isRestless = random.percent(20)
        self.isTold = isTold
    }

    mutating func run(steps: Int) throws(Violation) {
        for _ in 0..<steps {
            try act()
            if isRestless { try edit(Self.names[0]) }
            try pass(
                random.upTo(
                    isRestless
                        ? .milliseconds(700)
                        : random.pick([
                            .milliseconds(200), .milliseconds(900), .seconds(2), .seconds(6),
                        ])))
        }
        if random.percent(30) { try stop() } else { try calmDown() }
    }

    // MARK: The daemon

    private mutating func send(_ event: ReloadSchedule.Event) throws(Violation) {
        schedule.receive(event, at: now)
        tell("\(event)")
        try contract.observe(event, schedule.deadline, at: now)
    }

    private mutating func tell(_ text: @autoclosure () -> String) {
        if isTold { story.append("\(now.nanoseconds / 1_000_000) \(text())") }
    }

    private mutating func passDeadlines() throws(Violation) {
        let commands = schedule.passDeadlines(at: now)
        tell("\(commands)")
        try contract.observe(commands, schedule.deadline, at: now)
        for command in commands {
            guard case .read(let scope) = command else { continue }
            try read(scope)
        }
    }

    /// Lets time pass, and wakes the daemon up when it wants to.
    private mutating func pass(_ duration: Duration) throws(Violation) {
        let end = now + duration
        while let deadline = schedule.deadline, deadline <= end {
            now = max(now, deadline)
            if !isPunctual { now = now + random.upTo(.milliseconds(300)) }
            try wakeUp()
        }
        now = max(now, end)
    }

    private mutating func wakeUp() throws(Violation) {
        if !areAccountsPending { try send(.accountsAnswered) }
        // A trigger host has not finished what it has begun.
        if !isPunctual && !isCalm && random.percent(10) { return }
        var turns = 0
        while let deadline = schedule.deadline, deadline <= now {
            turns += 1
            try Violation.unless(turns < 4, "deadline", "\(deadline) comes again and again")
            try passDeadlines()
        }
        try contract.judgeRest(at: now)
    }

    private mutating func read(_ scope: ReloadSchedule.Scope) throws(Violation) {
        let wasOff = isOff
        if scope == .everything && !isCalm && random.percent(10) { try flip() }
        contract.read(scope.names)
        var unready: [ModuleName] = []
        var awaitsAccounts = false
        for name in scope.names ?? Self.names where disk[name] != inForce[name] {
            guard let files = disk[name] else {
                inForce[name] = nil
                continue
            }
            let former = inForce[name]
            let finding = ReloadSchedule.Finding(
                name, unreadiness: files.unreadiness, hasManifest: files.hasManifest,
                mayRunAlready: former.map { !$0.hasManifest } ?? false,
                isObserved: !wasOff && !isOff)
            let postponement = schedule.postpone(finding, at: now)
            tell("\(name) \(files) \(postponement.map { "\($0)" } ?? "taken")")
            try contract.observe(finding, postponement, at: now)
            guard postponement != nil else {
                inForce[name] = files
                continue
            }
            unready.append(name)
            if files.unreadiness == .withoutAccount { awaitsAccounts = true }
        }
        if awaitsAccounts { areAccountsPending = true }
        let isAnswer = schedule.finishReading(
            scope, unready: unready, awaitsAccounts: awaitsAccounts, at: now)
        tell("\(scope) was read, \(isAnswer)")
        try contract.finish(
            scope, unready: unready, awaitsAccounts: awaitsAccounts, isAnswer: isAnswer,
            schedule.deadline, at: now)
    }

    /// Switches `auto-reload`.
    private mutating func flip() throws(Violation) {
        isOff.toggle()
        lost = []
        if isOff { try send(.watchingEnded) }
    }

    // MARK: The rest of the world

    private mutating func act() throws(Violation) {
        let name = random.pick(Self.names)
        switch random.below(100) {
        case ..<30: try edit(name)
        case ..<38: try arrive(name)
        case ..<42: try depart(name)
        case ..<50: try request()
        case ..<53: try lose(random.pick(ReloadSchedule.WatchedPart.allCases))
        case ..<58: for part in lost { try regain(part) }
        case ..<63: areAccountsPending = false
        case ..<64: try send(.changedSomewhere)
        // The timer may go off for another reason.
        case ..<66: try passDeadlines()
        default: break
        }
    }

    private mutating func touch(
        _ part: ReloadSchedule.WatchedPart, _ event: ReloadSchedule.Event
    ) throws(Violation) {
        if !isOff && !lost.contains(part) {
            try send(event)
        } else {
            contract.miss(at: now)
        }
    }

    private mutating func drawFiles() -> Files {
        versions += 1
        return Files(
            version: versions,
            unreadiness: isCalm || random.percent(70)
                ? nil : random.pick(FileChanges.Unreadiness.allCases),
            hasManifest: random.percent(60))
    }

    private mutating func edit(_ name: ModuleName) throws(Violation) {
        guard disk[name] != nil else { return }
        disk[name] = drawFiles()
        try touch(.modules, .changed(name))
    }

    private mutating func arrive(_ name: ModuleName) throws(Violation) {
        disk[name] = drawFiles()
        try touch(.directories, .arrived(name, random.percent(50) ? .whole : .inPlace))
    }

    private mutating func depart(_ name: ModuleName) throws(Violation) {
        guard disk.removeValue(forKey: name) != nil else { return }
        try touch(.directories, .departed(name))
    }

    private mutating func request() throws(Violation) {
        try send(.requested)
        try wakeUp()
    }

    private mutating func lose(_ part: ReloadSchedule.WatchedPart) throws(Violation) {
        guard !isOff else { return }
        lost.insert(part)
        try send(.watchLost(part))
    }

    private mutating func regain(_ part: ReloadSchedule.WatchedPart) throws(Violation) {
        lost.remove(part)
        try send(.watchRegained(part))
    }

    // MARK: The end

    /// Nothing goes wrong any more; everything must be taken in as it is, and then nothing is left
    /// to be done.
    private mutating func calmDown() throws(Violation) {
        isCalm = true
        areAccountsPending = false
        for part in lost { try regain(part) }
        for name in Self.names { try edit(name) }
        if isOff { try request() }
        var wakeUps = 0
        while let deadline = schedule.deadline {
            wakeUps += 1
            try Violation.unless(wakeUps < 200, "G11", "it never rests")
            now = max(now, deadline)
            try wakeUp()
        }
        try Violation.unless(inForce == disk, "G11", "\(inForce) is in force, not \(disk)")
    }

    private mutating func stop() throws(Violation) {
        isCalm = true
        if random.percent(50) { try request() }
        if random.percent(50) { try send(.requested) }
        try send(.stopped)
        if random.percent(50) { try edit(random.pick(Self.names)) }
        if random.percent(50) { try send(.requested) }
        try wakeUp()
        try Violation.unless(schedule.deadline == nil, "G11", "something is left after the stop")
        now = now + .seconds(20)
        try passDeadlines()
    }
}
