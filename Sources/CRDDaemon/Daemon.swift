// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
public import CRDModules
import DequeModule
import Glibc
public import Logging
import SystemPackage

/// The daemon: waits for something to happen, asks the scheduler what to do, and has it done.
public final class Daemon {
    private let reactor: Reactor
    private let timer: TimerSource
    private let performer: Performer
    private let containment: any Containment
    private let paths: PathTriggers
    private let journal: JournalTriggers
    private let signals: SignalTriggers
    private let logger: Logger
    private let modules: [InstalledModule]
    private let configuration: ConfigurationFile
    private let slots: Int
    private let started = Clock.realtimeNanoseconds
    private let state: StateDirectory
    private let inbox = SignalInbox()
    private let serviceManager = ServiceManager()
    /// When the service manager must hear that the loop turns.
    private var aliveBy: Instant?
    private var status = ""
    private var scheduler: Scheduler
    private var isDone = false
    /// A module's health has changed.
    private var hasReported = false
    /// A source that the daemon cannot do without has failed.
    private var fatal: SystemCallError?

    /// Reads the modules, takes the state directory and kills what a former daemon left behind;
    /// starts nothing yet.
    ///
    /// - Throws: `StartFailure`, `SystemCallError`.
    public init(_ configuration: ConfigurationFile, output: LogOutput, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        // Before we move to a cgroup of our own below the one that everything of ours is in.
        let own = OwnEntries()
        let settings = configuration.configuration
        // What is made here must be open to the users that roles run as, whatever we inherited.
        umask(0o022)
        state = try StateDirectory.open(settings)
        reactor = try Reactor()
        timer = try TimerSource()
        slots = settings.slots ?? max(4, sysconf(CInt(_SC_NPROCESSORS_ONLN)))

        let contents = ModuleShelf(settings).contents()
        for complaint in contents.lastingComplaints { logger.error("\(complaint)") }
        modules = contents.modules
        let users = modules.filter { $0.kind == .user }
        let (prepared, policies) = Self.prepare(users, configuration, logger)
        let names = Set(users.filter { $0.manifest.leftovers == .keep }.map(\.name.description))
        let keeps: (String) -> Bool = { names.contains($0) }
        FormerDaemon.killLeftovers(state: state.path, keepsLeftovers: keeps, logger: logger)
        containment =
            if let cgroups = CgroupContainment(reactor, logger: logger) { cgroups } else {
                try SubreaperContainment(keepsLeftovers: keeps)
            }
        performer = try Performer(
            prepared, reactor: reactor, containment: containment, outputMax: settings.outputMax,
            output: output, reporter: RunReporter(logger: logger, names: users.map(\.name)))
        scheduler = Scheduler(policies, slots: slots, at: Clock.now)
        paths = PathTriggers(
            Self.pathTriggers(of: users, policies), reactor: reactor, logger: logger)
        journal = JournalTriggers(
            Self.journalTriggers(of: users, policies),
            known: Set(zip(users, policies).filter(Self.keepsRecord).map(\.0.name.description)),
            configuration: settings, state: state.path, own: own, reactor: reactor, logger: logger)
        _ = try reactor.add(timer)
        signals = SignalTriggers(Self.signalTriggers(of: users, policies))
        // Where orphans are not adopted, pidfds tell all that there is to know.
        let wanted = Self.handledSignals + (containment.adopts ? [SIGCHLD] : [])
        _ = try reactor.add(SignalSource(wanted, into: inbox))
    }

    /// What nobody asked for ends nobody either: SIGPIPE, when the reader of standard error goes
    /// away, or a SIGUSR1 that no module waits for.
    private static let handledSignals =
        [SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO]
        + SignalSource.realTime

    /// Keeps signals waiting that come before the daemon can take them. To be called before anything
    /// else is done, since a signal for a trigger would end the process until then.
    ///
    /// - Throws: `SystemCallError`.
    public static func holdSignals() throws {
        try SignalSource.block(handledSignals)
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: `SystemCallError` where the daemon cannot go on.
    public func run() throws {
        // Arm, then look: the checks at the start see what happened before, the watches the rest.
        var events: [Event] = []
        paths.arm(into: &events)
        let (records, catchUp) = journal.begin()
        scheduler.beginJournal(from: records, catchUp: catchUp)
        journal.store(scheduler, lasting: true)
        journal.arm(into: &events)
        let service = try ControlService(
            configuration.configuration.socketPath, reactor: reactor, logger: logger
        ) { [unowned self] in listing() }
        defer { service.close() }
        logStart()
        status = summary
        serviceManager.tellReady(status)
        process(events + [.started])
        while !isDone {
            hangIfAsked()
            performer.prepare()
            tellServiceManager()
            try timer.arm([scheduler.nextDeadline, aliveBy].compactMap(\.self).min())
            var events: [Event] = []
            for failure in try reactor.wait(into: &events) { note(failure, &events) }
            let childHasEnded = takeSignals(into: &events)
            journal.settle(into: &events)
            process(events)
            journal.note(events)
            paths.logOverflows()
            if childHasEnded {
                // After what waits to be started, since it is mostly one that a pidfd has told of.
                var orphans: [Event] = []
                performer.reapAdopted(into: &orphans)
                process(orphans)
            }
            if let fatal { throw fatal }
        }
        performer.finish()
        journal.store(scheduler, lasting: true)
        logger.notice("stopped")
    }

    /// For the tests of the watchdog; no release has it.
    private func hangIfAsked() {
        #if DEBUG
            guard let file = getenv("CRD_DEBUG_HANG_IF") else { return }
            while access(file, F_OK) == 0 { sleep(1) }
        #endif
    }

    /// Feeds the watchdog, from the loop itself so that it tells of nothing else, and says how things
    /// are, if that has changed.
    private func tellServiceManager() {
        if let period = serviceManager.watchdogPeriod {
            let now = Clock.now
            if aliveBy.map({ $0 <= now }) ?? true {
                serviceManager.tellAlive()
                aliveBy = now + period
            }
        }
        guard hasReported else { return }
        hasReported = false
        let summary = summary
        guard summary != status else { return }
        status = summary
        serviceManager.tellStatus(summary)
    }

    /// For `systemctl status`.
    private var summary: String {
        let count = modules.count { $0.kind == .user }
        let now = Clock.now
        var phases: [Phase] = []
        for index in 0..<count {
            phases.append(scheduler.status(of: ModuleID(index), at: now).phase)
        }
        let troubles: [(Phase, String)] = [
            (.failed, "failed"), (.degraded, "degraded"), (.stuck, "stuck"),
            (.disabled, "disabled"),
        ]
        let told = troubles.compactMap { phase, word in
            let number = phases.count { $0 == phase }
            return number == 0 ? nil : "\(number) \(word)"
        }
        return "\(count) module\(count == 1 ? "" : "s")"
            + (told.isEmpty ? ", all well" : ": \(told.joined(separator: ", ")); see crd list")
    }

    /// Feeds the scheduler what happened, does what it says, and feeds it what came of that.
    private func process(_ events: [Event]) {
        let now = Clock.now
        var waiting = Deque(events)
        while let event = waiting.popFirst() {
            for command in scheduler.receive(event, at: now) {
                switch command {
                case .exit: isDone = true
                case .rearm(let module):
                    var events: [Event] = []
                    paths.rearm(module, into: &events)
                    journal.rearm(into: &events)
                    waiting.append(contentsOf: events)
                case .report, .reportDeafness:
                    hasReported = true
                    waiting.append(contentsOf: performer.perform(command))
                case .storeJournalRecords: journal.store(scheduler, lasting: false)
                default: waiting.append(contentsOf: performer.perform(command))
                }
            }
        }
    }

    /// - Returns: whether SIGCHLD was among them.
    private func takeSignals(into events: inout [Event]) -> Bool {
        var childHasEnded = false
        for signal in inbox.take() {
            switch signal.number {
            case SIGCHLD: childHasEnded = true
            case SIGTERM, SIGINT:
                logger.notice(
                    "stopping on signal \(signal.number) from process \(signal.pid); responses get \(TimeSpan(configuration.configuration.grace)) to finish"
                )
                serviceManager.tellStopping()
                events.append(.stopped)
            case SIGHUP:
                logger.warning("SIGHUP does nothing yet; restart crd to read the files again")
            case SIGPIPE: break
            case let other:
                let triggered = signals.events(for: signal)
                events += triggered
                guard triggered.isEmpty else { break }
                logger.info(
                    "signal \(other) from process \(signal.pid) is ignored: no module waits for it"
                )
            }
        }
        return childHasEnded
    }

    private func note(_ failure: Reactor.Failure, _ events: inout [Event]) {
        logger.error("\(failure.error)")
        if paths.isSource(failure.source) { paths.lose(failure.error, into: &events) }
        if journal.isSource(failure.source) { journal.lose(failure.error, into: &events) }
        if failure.source is TimerSource || failure.source is SignalSource {
            fatal = failure.error
        }
    }

    // MARK: Start

    private static func prepare(
        _ modules: [InstalledModule], _ configuration: ConfigurationFile, _ logger: Logger
    ) -> ([PreparedModule?], [Policy]) {
        var prepared: [PreparedModule?] = []
        var policies: [Policy] = []
        for module in modules {
            var policy = Policy(
                name: module.name, manifest: module.manifest,
                configuration: configuration.configuration)
            var ready: PreparedModule?
            if let complaint = module.complaints.first {
                policy.standing = .failed(reason: "\(complaint)")
            } else {
                do throws(SystemCallError) {
                    ready = try PreparedModule(module, configuration: configuration)
                } catch {
                    logger.error("\(module.name): \(error)")
                    policy.standing = .failed(reason: "\(error)")
                }
            }
            prepared.append(ready)
            policies.append(policy)
        }
        return (prepared, policies)
    }

    private static func pathTriggers(
        of modules: [InstalledModule], _ policies: [Policy]
    ) -> [(ModuleID, PathTrigger)] {
        zip(modules, policies).enumerated().flatMap { index, pair in
            let (module, policy) = pair
            guard policy.standing == .enabled else { return [(ModuleID, PathTrigger)]() }
            return module.manifest.paths.map { (ModuleID(index), $0) }
        }
    }

    private static func signalTriggers(
        of modules: [InstalledModule], _ policies: [Policy]
    ) -> [(ModuleID, [TriggerSignal])] {
        zip(modules, policies).enumerated().compactMap { index, pair in
            let (module, policy) = pair
            return policy.standing == .enabled ? (ModuleID(index), module.manifest.signals) : nil
        }
    }

    private static func journalTriggers(
        of modules: [InstalledModule], _ policies: [Policy]
    ) -> [JournalTriggers.Module] {
        zip(modules, policies).enumerated().compactMap { index, pair in
            let (module, policy) = pair
            guard policy.standing == .enabled, !module.manifest.journal.isEmpty else { return nil }
            return JournalTriggers.Module(
                id: ModuleID(index), name: module.name.description,
                triggers: module.manifest.journal)
        }
    }

    /// What was logged while a module is broken is for it when it is mended; one that is disabled
    /// wants nothing.
    private static func keepsRecord(_ module: InstalledModule, _ policy: Policy) -> Bool {
        if case .failed = policy.standing { true } else { false }
    }

    private func logStart() {
        let users = modules.filter { $0.kind == .user }
        let failed = users.filter { !$0.complaints.isEmpty }.count
        let trouble = failed == 0 ? "" : " (\(failed) failed)"
        logger.notice(
            "started version \(Version.current): \(users.count) module\(users.count == 1 ? "" : "s")\(trouble), every \(TimeSpan(configuration.configuration.interval)), \(slots) slots, processes followed by \(containment.name)\(journal.wakeName.map { ", journal by \($0)" } ?? "")"
        )
        if users.isEmpty {
            logger.warning(
                "there is no module in \(configuration.configuration.modules); a directory with two executables, check and response, makes one"
            )
        }
    }

    // MARK: What is shown

    private func listing() -> ReactorInterface.Listing {
        let now = Clock.now
        // Deadlines count from boot; people read the calendar.
        let offset = Clock.realtimeNanoseconds - now.nanoseconds
        func calendar(_ instant: Instant) -> String {
            Timestamp.rfc3339(nanosecondsSince1970: instant.nanoseconds + offset)
        }
        let daemon = ReactorInterface.Daemon(
            pid: Int(getpid()), version: Version.current, configuration: configuration.path.string,
            slots: slots, running: scheduler.slotsInUse, containment: containment.name,
            started: Timestamp.rfc3339(nanosecondsSince1970: started), overflows: paths.overflows,
            journalWake: journal.wakeName, patternsExceeded: journal.exceeded)
        var nextID = 0
        let shown = modules.map { module in
            guard module.kind == .user else { return ReactorInterface.Module(onDisk: module) }
            defer { nextID += 1 }
            let id = ModuleID(nextID)
            return ReactorInterface.Module(
                module, scheduler.status(of: id, at: now), waitingFor: paths.missingPath(of: id),
                calendar: calendar)
        }
        return ReactorInterface.Listing(daemon: daemon, modules: shown)
    }
}

/// Signals that came and were not dealt with yet.
final class SignalInbox {
    private var signals: [SignalSource.Received] = []

    func add(_ signal: SignalSource.Received) {
        signals.append(signal)
    }

    func take() -> [SignalSource.Received] {
        defer { signals = [] }
        return signals
    }
}

extension SignalSource {
    fileprivate convenience init(_ numbers: [CInt], into inbox: SignalInbox) throws(SystemCallError)
    {
        try self.init(numbers) { inbox.add($0) }
    }
}
