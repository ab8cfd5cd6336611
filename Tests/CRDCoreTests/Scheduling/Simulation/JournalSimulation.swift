// SPDX-License-Identifier: GPL-3.0-or-later

import TestSupport

@testable import CRDCore

/// A journal that is written, read and counted while the daemon is killed again and again (G8).
///
/// A store happens as a whole or not at all; everything else is lost with the scheduler. In the end
/// every entry that was an event must have been in a run that ended, in one life or another.
struct JournalSimulation {
    private struct Entry {
        let time: Int64
        let key: UInt8
        /// By module.
        let wanted: [Bool]
    }

    private var random: SplitMix64
    private let policies: [Policy]
    private var entries: [Entry] = []
    /// State that survives a death.
    private var stored: [JournalRecord]
    private var scheduler: Scheduler
    private var now = Instant(nanoseconds: 1_000_000_000)
    /// How many entries this life has read, and from which entry on each module gets them.
    private var read = 0
    private var floors: [Int] = []
    /// Runs under way, and what each is for.
    private var runs: [ModuleID: [String]] = [:]
    private var isCalm = false
    /// By module, the entries whose runs have ended.
    private(set) var served: [Set<String>]
    private(set) var deaths = 0
    private(set) var story: [String] = []

    init(seed: UInt64) {
        random = SplitMix64(seed: seed &* 0xD134_2543_DE82_EF95 &+ 1)
        policies = (0..<(1 + random.below(4))).map { [random] index in
            var random = random
            for _ in 0..<index { _ = random.next() }
            return Self.drawPolicy(index, &random)
        }
        let start = JournalPosition(cursor: "", time: 0, order: 0)
        stored = policies.map { _ in JournalRecord(position: start) }
        served = policies.map { _ in [] }
        scheduler = Scheduler(policies, slots: 2, at: now)
        begin()
    }

    private static func drawPolicy(_ index: Int, _ random: inout SplitMix64) -> Policy {
        let counting: JournalTrigger.Counting? = random.pick([
            nil, nil, .init(count: 2, within: .microseconds(30)),
            .init(count: 3, within: .microseconds(1_000), by: .capture("k")),
            .init(count: 5, within: .microseconds(80), by: .capture("k")),
        ])
        return Policy.named("m\(index)") {
            $0.interval = nil
            $0.cooldown = .fixed(random.pick([.zero, .milliseconds(50)]))
            $0.journal = [JournalTrigger(pattern: "x", counting: counting)]
        }
    }

    // MARK: Lives

    private mutating func begin() {
        var records: [ModuleID: JournalRecord] = [:]
        floors = []
        for (index, record) in stored.enumerated() {
            records[ModuleID(index)] = record
            floors.append(Int(record.position.order) - (record.position.isInclusive ? 1 : 0))
        }
        read = floors.min() ?? 0
        runs = [:]
        scheduler.beginJournal(from: records, catchUp: nil)
        send(.started)
    }

    private mutating func die() {
        deaths += 1
        story.append("killed at \(read) of \(entries.count)")
        scheduler = Scheduler(policies, slots: 2, at: now)
        begin()
    }

    private mutating func send(_ event: Event) {
        for command in scheduler.receive(event.read(at: now), at: now) {
            switch command {
            case .spawn(let module, .check, let run):
                runs[module] = run.events.lines.map(Self.cursor)
                story.append("check \(module.index) \(runs[module] ?? [])")
            case .conclude(let module, let conclusion):
                if conclusion.check != .stopped {
                    served[module.index].formUnion(runs[module] ?? [])
                }
                runs[module] = nil
            case .clear(let module, _): send(.emptied(module))
            case .storeJournalRecords:
                stored = policies.indices.map {
                    scheduler.journalRecord(of: ModuleID($0)) ?? stored[$0]
                }
                story.append("store \(stored.map(\.position.order))")
            default: break
            }
        }
    }

    private static func cursor(of line: [UInt8]) -> String {
        let text = String(decoding: line, as: UTF8.self)
        let parts = text.split(separator: "\"cursor\":\"", maxSplits: 1)
        return String(parts[parts.count - 1].prefix { $0 != "\"" })
    }

    // MARK: The story

    mutating func run(steps: Int) {
        for _ in 0..<steps { step() }
        isCalm = true
        while read < entries.count || !runs.isEmpty || scheduler.nextDeadline != nil {
            readOn(Int.max)
            if let module = runs.keys.min(by: { $0.index < $1.index }) {
                send(.exited(module, .exited(1)))
            }
            if let next = scheduler.nextDeadline { now = max(now, next) }
            send(.elapsed)
        }
    }

    private mutating func step() {
        now = now + random.upTo(random.pick([.milliseconds(1), .milliseconds(400)]))
        switch random.below(100) {
        case ..<35: write()
        case ..<60: readOn(random.below(6))
        case ..<80: end()
        case ..<84: die()
        default: send(.elapsed)
        }
    }

    private mutating func write() {
        let last = entries.last?.time ?? 0
        // The clock is set back now and then.
        let time = random.percent(3) ? max(1, last - 500) : last + Int64(random.below(20))
        entries.append(
            Entry(
                time: time, key: UInt8(random.below(3)),
                wanted: policies.map { _ in random.percent(40) }))
    }

    private mutating func readOn(_ count: Int) {
        var left = count
        while left > 0, read < entries.count {
            left -= 1
            let entry = entries[read]
            read += 1
            let place = position(isInclusive: true)
            for index in policies.indices where entry.wanted[index] && floors[index] < read {
                send(
                    .matched(
                        ModuleID(index),
                        JournalMatch(
                            trigger: 0,
                            entry: JournalEntry(
                                position: place, fields: JournalFields(),
                                readAt: Instant(nanoseconds: 0)),
                            captures: [.init(name: "k", value: [entry.key])])))
                if !isCalm && random.percent(1) { return die() }
            }
        }
        guard read > 0 else { return }
        send(.journalRead(position(isInclusive: false), isAtEnd: read == entries.count))
    }

    private func position(isInclusive: Bool) -> JournalPosition {
        JournalPosition(
            cursor: "c\(read)", time: entries[read - 1].time, order: Int64(read),
            isInclusive: isInclusive)
    }

    private mutating func end() {
        guard let module = runs.keys.sorted(by: { $0.index < $1.index }).first else { return }
        if random.percent(15) {
            runs[module] = nil
            send(.unable(module, reason: "busy"))
        } else {
            send(.exited(module, .exited(random.pick([1, 1, 1, 9]))))
        }
    }

    // MARK: What must have come of it

    /// The entries that are events for a module, found by looking back from each, without any
    /// counter of the scheduler's.
    func events(of module: Int) -> [String] {
        var counted: [(time: Int64, key: UInt8)] = []
        var events: [String] = []
        for (index, entry) in entries.enumerated() where entry.wanted[module] {
            guard let counting = policies[module].journal[0].counting else {
                events.append("c\(index + 1)")
                continue
            }
            let key = counting.key == nil ? 0 : entry.key
            let span = counting.window.nanoseconds / 1_000
            counted.removeAll { $0.key == key && abs($0.time - entry.time) > span }
            counted.append((entry.time, key))
            guard counted.count(where: { $0.key == key }) == counting.count else { continue }
            counted.removeAll { $0.key == key }
            events.append("c\(index + 1)")
        }
        return events
    }

    var moduleCount: Int { policies.count }
}
