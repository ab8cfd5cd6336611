// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging
import SystemPackage

/// The journal triggers of all modules, and the source that reads the journal for them once there
/// is one.
final class JournalTriggers: TriggerHost {
    /// A module with journal triggers.
    struct Module: Equatable {
        let id: ModuleID
        let name: String
        let triggers: [JournalTrigger]
    }

    /// The minimum time between two attempts to reopen a journal after a read error.
    private static let reopenPeriod = Duration.seconds(1)

    private var modules: [Module]
    /// The names of modules that could not run at the start. Their records are kept, so that they
    /// get the entries logged meanwhile once they are fixed.
    private let broken: Set<String>
    private var configuration: Configuration
    private let positions: JournalPositions
    private let trouble: StateTrouble
    private let own: OwnEntries
    private let reactor: Reactor
    private let logger: Logger
    private var alarm: JournalAlarm?
    /// Where each module starts to read while there is no source.
    private var listeners: [JournalSource.Listener] = []
    private var order: Int64 = 0
    private var stored = JournalPositions.Contents()
    /// The records of broken modules.
    private var kept: [String: JournalRecord] = [:]
    private var source: JournalSource?
    private var token: Reactor.Token?
    private var isDeaf = false
    private var silence = JournalSilence()
    private var mustReopen = false
    private var reopenedAt: Instant?
    private var patterns: PatternReports

    /// Does not open the journal yet.
    ///
    /// - Parameter own: the daemon's own entries, which are skipped.
    init(
        _ triggers: TriggersInForce, state: FilePath, trouble: StateTrouble, own: OwnEntries,
        reactor: Reactor, logger: Logger
    ) {
        modules = triggers.journal
        broken = triggers.broken
        configuration = triggers.configuration
        self.own = own
        self.reactor = reactor
        self.logger = logger
        self.trouble = trouble
        patterns = PatternReports(logger)
        positions = JournalPositions(in: state.appending("daemon"))
    }

    /// How new entries are noticed; nil if no module waits for any.
    var wakeName: String? { alarm?.name }

    /// How many lines counted as matches because a pattern exceeded a limit.
    var exceeded: Int { patterns.exceeded(with: source) }

    // MARK: Start positions

    /// Determines where each module starts: at the end of a former daemon's record, otherwise at
    /// the current end of the journal.
    func begin() -> (records: [ModuleID: JournalRecord], catchUp: CatchUp?) {
        guard !modules.isEmpty || !broken.isEmpty else { return ([:], nil) }
        let now = Clock.realtimeNanoseconds / 1_000
        let oldest = now - configuration.catchUp.nanoseconds / 1_000
        var beginning = modules.isEmpty ? nil : JournalSource.end()
        do throws(JournalPositions.Damaged) {
            stored = try positions.load() ?? stored
        } catch {
            beginning = JournalPosition(cursor: "", time: oldest, order: JournalPosition.last)
            logger.error(
                "\(error); what was logged in the last \(TimeSpan(configuration.catchUp)) (catch-up) is read again"
            )
        }
        order = stored.read?.order ?? 0
        for name in broken { kept[name] = stored.record(of: name) }
        var records: [ModuleID: JournalRecord] = [:]
        for module in modules {
            let record =
                stored.record(of: module.name)
                ?? JournalRecord(position: beginning ?? JournalSource.end())
            records[module.id] = record
            listeners.append(
                JournalSource.Listener(
                    module: module.id, triggers: module.triggers, start: record.position))
        }
        let catchUp = positions.lastSeen.map { CatchUp(downSince: $0, oldest: oldest) }
        return (records, catchUp)
    }

    func pause() -> Bool { source?.pause() ?? true }

    func resume() { source?.resume() }

    /// Replaces the modules; those that had journal triggers before continue at their positions.
    func change(to new: TriggersInForce, _ reload: inout Reload, into events: inout [Event]) {
        let wakesAsBefore = new.configuration.journalWake == configuration.journalWake
        configuration = new.configuration
        defer { kept = kept.filter { new.broken.contains($0.key) } }
        change(to: new.journal, wakesAsBefore, &reload, into: &events)
    }

    private func change(
        to new: [Module], _ wakesAsBefore: Bool, _ reload: inout Reload,
        into events: inout [Event]
    ) {
        guard new != modules || !wakesAsBefore else { return }
        let begun = begin(new, &reload)
        if modules.isEmpty || new.isEmpty || !wakesAsBefore {
            alarm?.end()
            alarm = nil
        }
        close()
        listeners = begun
        modules = new
        if alarm == nil { startAlarm() }
        if !modules.isEmpty { open(into: &events) }
        if silence.isSilent { tellSilence(into: &events) }
    }

    /// Returns where each module starts, and enters in the reload what the scheduler needs for
    /// those that had no journal triggers until now.
    private func begin(_ new: [Module], _ reload: inout Reload) -> [JournalSource.Listener] {
        let former = Dictionary(
            uniqueKeysWithValues: (source?.resumption ?? listeners).map { ($0.module, $0.start) })
        var begun: [JournalSource.Listener] = []
        // New modules start at the position up to which the others have read.
        let end =
            new.contains { former[$0.id] == nil } ? source?.position ?? JournalSource.end() : nil
        for module in new {
            var start = former[module.id]
            if start == nil, let end {
                let record = kept[module.name] ?? JournalRecord(position: end)
                reload.journal[module.id] = record
                start = record.position
            }
            guard let start else { continue }
            begun.append(.init(module: module.id, triggers: module.triggers, start: start))
        }
        if let down = new.compactMap({ kept[$0.name]?.position.time }).min() {
            let span = configuration.catchUp.nanoseconds / 1_000
            let oldest = Clock.realtimeNanoseconds / 1_000 - span
            reload.catchUp = CatchUp(downSince: down, oldest: oldest)
        }
        return begun
    }

    /// How long one turn may take to store positions.
    private static let storeShare = Duration.milliseconds(5)

    /// Stores the modules' positions; what takes longer is done in later turns.
    ///
    /// - Parameter lasting: store all of them now, and wait for the disk.
    func store(_ scheduler: Scheduler, lasting: Bool) {
        guard !modules.isEmpty || !kept.isEmpty else { return trouble.heal(.positions) }
        var contents = JournalPositions.Contents(read: scheduler.journalPosition ?? stored.read)
        for module in modules {
            guard let record = scheduler.journalRecord(of: module.id) else { continue }
            if let read = contents.read, record == JournalRecord(position: read) {
                contents.upToDate.insert(module.name)
            } else {
                contents.records[module.name] = record
            }
        }
        contents.records.merge(kept) { own, _ in own }
        do {
            if lasting {
                try positions.storeLastingly(contents)
                trouble.heal(.positions)
            } else {
                positions.store(contents)
                goOnStoring()
            }
        } catch {
            fail(error)
        }
    }

    private func goOnStoring() {
        do {
            try positions.goOn(until: Clock.now + Self.storeShare)
            if !positions.isStoring { trouble.heal(.positions) }
        } catch {
            fail(error)
        }
    }

    private func fail(_ error: any Error) {
        positions.giveUp()
        trouble.report(.positions, error)
    }

    /// Positions that are not stored yet do not wait for another event.
    var deadline: Instant? { positions.isStoring ? Instant(nanoseconds: 0) : nil }

    // MARK: Reading

    /// Starts to read the journal.
    func arm(into events: inout [Event]) {
        guard !modules.isEmpty else { return }
        startAlarm()
        open(into: &events)
    }

    private func startAlarm() {
        guard !modules.isEmpty else { return }
        let alarm = JournalAlarm(configuration.journalWake, reactor: reactor, logger: logger) {
            [weak self] in self?.readShare(into: &$0)
        }
        self.alarm = alarm
        do throws(SystemCallError) {
            try alarm.start()
        } catch {
            logger.error("\(error); new entries are noticed late")
        }
    }

    /// Opens the journal again if that failed before.
    func rearm(_ module: ModuleID, into events: inout [Event]) {
        guard isDeaf else { return }
        open(into: &events)
    }

    func owns(_ source: any EventSource) -> Bool { self.source === source }

    /// Reopens the journal.
    func lose(_ error: SystemCallError, into events: inout [Event]) {
        token = nil
        reopen(because: "\(error)", into: &events)
    }

    /// Records that there were matching entries.
    func finishTurn(_ events: [Event]) {
        if events.contains(where: { if case .matched = $0 { true } else { false } }) {
            positions.touch()
        }
        if positions.isStoring { goOnStoring() }
    }

    /// Reopens the journal if the last look found that necessary, and logs aborted patterns.
    func settle(into events: inout [Event]) {
        if mustReopen { reopen(because: nil, into: &events) }
        if let source { patterns.report(from: source, name(of:)) }
    }

    private func readShare(into events: inout [Event]) {
        guard let source else { return }
        do throws(SystemCallError) {
            try source.readShare(into: &events)
        } catch {
            reopen(because: "\(error)", into: &events)
        }
    }

    private func afterLook(_ entries: Int, _ events: inout [Event]) throws(SystemCallError) {
        guard let alarm, let source else { return }
        if entries == 0, try source.isStale() { mustReopen = true }
        checkForSilence(after: entries, &events)
        if try alarm.settle(after: entries, by: silence.deadline) {
            try source.readShare(into: &events)
        }
    }

    /// Checks that the journal is still being written to, while it is readable but without new
    /// entries.
    private func checkForSilence(after entries: Int, _ events: inout [Event]) {
        let wasSilent = silence.isSilent
        let now = Clock.now
        if entries > 0 {
            silence.hear()
        } else if silence.isDue(at: now) {
            // If nobody can tell, for lack of rights, the journal counts as written to.
            silence.record(isWritten: JournalSource.isWritten() ?? true, at: now)
        }
        guard silence.isSilent != wasSilent else { return }
        if silence.isSilent { return tellSilence(into: &events) }
        for module in modules { events.append(.rearmed(module.id, .journal)) }
    }

    private func tellSilence(into events: inout [Event]) {
        let reason = JournalSource.silence()
        for module in modules { events.append(.deafened(module.id, .journal, reason: reason)) }
    }

    private func open(into events: inout [Event]) {
        do {
            let source = try JournalSource(listeners, order: order, own: own)
            source.beforeLook = { [unowned self] in alarm?.arm() }
            source.afterLook = { [unowned self] entries, events throws(SystemCallError) in
                try afterLook(entries, &events)
            }
            token = try reactor.add(source)
            self.source = source
            if source.isPositionLost {
                logger.warning(
                    "the journal no longer has the entry that crd read last, so later entries may have been missed; reading continues with the oldest entry that is left: raise SystemMaxUse= and RuntimeMaxUse= in journald.conf if the journal does not reach back far enough"
                )
            }
            guard isDeaf else { return }
            isDeaf = false
            for module in modules { events.append(.rearmed(module.id, .journal)) }
        } catch {
            isDeaf = true
            for module in modules {
                events.append(.deafened(module.id, .journal, reason: "\(error)"))
            }
        }
    }

    private func close() {
        guard let old = source else { return }
        token.map(reactor.remove)
        token = nil
        listeners = old.resumption
        order = max(
            order, listeners.map(\.start.order).filter { $0 != JournalPosition.last }.max() ?? 0)
        patterns.keepCount(of: old)
        source = nil
    }

    /// Continues to read with a new handle.
    private func reopen(because reason: String?, into events: inout [Event]) {
        mustReopen = false
        guard source != nil else { return }
        close()
        let now = Clock.now
        if let reason {
            // An immediate second failure would keep the daemon busy with nothing else.
            if let last = reopenedAt, last + Self.reopenPeriod > now {
                isDeaf = true
                for module in modules {
                    events.append(.deafened(module.id, .journal, reason: reason))
                }
                return
            }
            logger.warning("\(reason); the journal is being reopened")
        }
        reopenedAt = now
        open(into: &events)
    }

    private func name(of module: ModuleID) -> String {
        modules.first { $0.id == module }?.name ?? ""
    }
}
