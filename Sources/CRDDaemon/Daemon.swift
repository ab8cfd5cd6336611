// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
public import CRDModules
import DequeModule
import Glibc
public import Logging
import SystemPackage

/// The daemon: waits for events, passes them to the scheduler and performs its commands.
public final class Daemon {
    private let reactor: Reactor
    private let timer: TimerSource
    private let alarm = Alarm()
    /// The instant at which the end of the next turn judges deadlines.
    private var judgedAt: Instant?
    private let performer: Performer
    private let containment: any Containment
    private let paths: PathTriggers
    /// Nil if the kernel does not report the mount table.
    private let mounts: MountSource?
    private let journal: JournalTriggers
    /// Of all kinds, the two above included.
    private let triggerHosts: [any TriggerHost]
    private let logger: Logger
    private let reloader: Reloader
    /// The callbacks of pending reload requests; a request by SIGHUP ignores the outcome.
    private var reloadRequests: [(Reloader.Outcome?) -> Void] = []
    private let started = Clock.realtimeNanoseconds
    private let state: StateDirectory
    private let inbox = SignalInbox()
    private let serviceManager: ServiceManager
    private let serviceManagerRoom: WriterReadiness
    private let log: LogChannel
    private let logRoom: WriterReadiness
    /// When the service manager's watchdog must be fed next.
    private var aliveBy: Instant?
    private var status = ""
    /// When the status line may be updated again.
    private var summaryAt: Instant?
    private static let summaryPeriod = Duration.seconds(1)
    private var scheduler: Scheduler
    private var isDone = false
    private var isStopping = false
    /// Whether a module's health has changed since the last status line.
    private var hasReported = false
    /// The error of a source that the daemon cannot do without.
    private var fatal: SystemCallError?

    /// Reads the modules, takes the state directory and kills what a former daemon left behind;
    /// does not start any module yet.
    ///
    /// - Throws: `StartFailure`, `SystemCallError`.
    public init(
        _ configuration: ConfigurationFile, output: LogOutput, logger: Logger,
        serviceManager: ServiceManager
    ) throws {
        self.logger = logger
        self.serviceManager = serviceManager
        serviceManagerRoom = WriterReadiness(serviceManager)
        log = output.channel
        logRoom = WriterReadiness(log)
        // Must precede the move to a cgroup of our own, below the one that holds all our processes.
        let own = OwnEntries()
        let settings = configuration.configuration
        // Files created here must be readable by the roles' users, whatever umask was inherited.
        umask(0o022)
        state = try StateDirectory(settings, logger: logger)
        reactor = try Reactor()
        timer = try TimerSource { [alarm] _ in alarm.hasGoneOff = true }
        let helpers = HelperProcess.Roll(reactor)
        mounts = Self.mountTable(logger)
        let map = mounts?.map ?? MountMap()

        let reloader = Reloader(
            configuration, reactor: reactor, helpers: helpers, mounts: map, logger: logger)
        self.reloader = reloader
        let policies = reloader.begin()
        let keeps: (String) -> Bool = { reloader.inForce.keepsLeftovers($0) }
        if let former = state.formerLife {
            FormerDaemon(former, keepsLeftovers: keeps).killLeftovers(logger)
        }
        var life = DaemonLife.begin()
        if let cgroups = CgroupContainment(reactor, logger: logger) {
            life.cgroup = DaemonLife.Place(cgroups.base)
            containment = cgroups
        } else {
            containment = try SubreaperContainment(life, helpers: helpers)
        }
        state.store(life)
        performer = try Performer(
            reloader.inForce, reactor: reactor, containment: containment, helpers: helpers,
            life: life, reach: reloader.reach, outputMax: settings.outputMax, output: output,
            reporter: RunReporter(logger: logger),
            trouble: state.trouble)
        scheduler = Scheduler(policies, slots: settings.slotsInForce, at: Clock.now)
        let triggers = reloader.triggers
        paths = PathTriggers(
            triggers, reactor: reactor, helpers: helpers, mounts: map, logger: logger
        ) { [auto = reloader.auto] in auto.receive($0) }
        journal = JournalTriggers(
            triggers, state: state.path, trouble: state.trouble, own: own, reactor: reactor,
            logger: logger)
        triggerHosts = [
            SignalTriggers(triggers, reactor: reactor, logger: logger), journal, paths,
        ]
        _ = try reactor.add(timer)
        // If orphans are not adopted, pidfds report every exit of a child.
        let wanted = Self.ownSignals + (containment.adopts ? [SIGCHLD] : [])
        _ = try reactor.add(SignalSource(wanted, into: inbox))
    }

    /// Signals to the daemon itself. SIGPIPE comes when the reader of standard error goes away.
    private static let ownSignals = [SIGTERM, SIGINT, SIGHUP, SIGPIPE]

    /// Blocks all handled signals, so that they stay pending until the daemon can read them. Call
    /// this first: until then, a signal meant for a trigger would end the process.
    ///
    /// - Throws: `SystemCallError`.
    public static func holdSignals() throws {
        try SignalSource.block(ownSignals + SignalTriggers.handledSignals)
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: `SystemCallError` if the daemon cannot continue.
    public func run() throws {
        // Arm, then look: the watches report all later changes, and the initial checks see all
        // earlier ones.
        var events: [Event] = []
        try watchMounts()
        let (records, catchUp) = journal.begin()
        scheduler.beginJournal(from: records, catchUp: catchUp)
        journal.store(scheduler, lasting: true)
        for host in triggerHosts { host.arm(into: &events) }
        reloader.touchStrangers()
        let service = try ControlService(
            reloader.configuration.socketPath, of: self, reactor: reactor, logger: logger)
        defer { service.close() }
        report.logStart(to: logger)
        status = report.summary
        serviceManager.tellReady(status)
        process(events + [.started])
        // Reading a thousand modules needs more memory for a moment than keeping them.
        MallocTrim.giveBack()
        while !isDone {
            hangIfAsked()
            performer.prepare()
            tellServiceManager()
            var events: [Event] = []
            for failure in try wait(into: &events, for: service) { drop(failure, &events) }
            performer.settle(into: &events)
            let childHasEnded = receiveSignals(into: &events)
            for host in triggerHosts { host.settle(into: &events) }
            process(events)
            judgeDeadlines()
            service.serveNext()
            for host in triggerHosts { host.finishTurn(events) }
            if childHasEnded || performer.hasAdoptedBacklog {
                // After pending spawns, since a pidfd has usually reported this child already.
                var orphans: [Event] = []
                performer.reapAdopted(into: &orphans)
                process(orphans)
            }
            reload()
            storeAgain()
            if let fatal { throw fatal }
        }
        if performer.endLeftovers() { state.forgetLife() }
        journal.store(scheduler, lasting: true)
        serviceManager.flush()
        logger.notice("stopped")
    }

    /// Sleeps until there is something to do, including log or notification output that can be
    /// written again.
    private func wait(
        into events: inout [Event], for service: ControlService
    ) throws -> [Reactor.Failure] {
        let now = Clock.now
        log.retry(at: now)
        serviceManagerRoom.update(in: reactor)
        logRoom.update(in: reactor)
        reloader.passObservations(at: now)
        let deadlines =
            [
                scheduler.nextDeadline, aliveBy, reloader.schedule.deadline,
                log.deadline(at: now), hasReported ? summaryAt : nil, state.trouble.retryAt,
                performer.deadline,
            ] + triggerHosts.map(\.deadline)
        // Deadlines that have passed but are not judged yet would fire the timer again.
        if judgedAt == nil { try timer.arm(deadlines.compactMap(\.self).min()) }
        let hasBacklog = performer.hasBacklog || service.hasBacklog
        let mayWait = !hasBacklog && judgedAt == nil
        return try reactor.wait(into: &events, mayWait: mayWait)
    }

    /// Handles the deadlines that had passed at `judgedAt`, once all events before that moment have
    /// been processed. That takes one more turn: if the daemon itself was delayed, a process that
    /// ended meanwhile did not end late.
    private func judgeDeadlines() {
        if let moment = judgedAt, !reactor.mayHaveMore {
            judgedAt = nil
            process([.elapsed], at: moment)
        }
        guard alarm.hasGoneOff else { return }
        alarm.hasGoneOff = false
        judgedAt = Clock.now
    }

    private static func mountTable(_ logger: Logger) -> MountSource? {
        do throws(SystemCallError) {
            return try MountSource()
        } catch {
            logger.warning(
                "mounts cannot be watched: \(error); a mount over a watched path is noticed only at the next interval check, and a mount whose server does not answer is not noticed at all"
            )
            return nil
        }
    }

    private func watchMounts() throws(SystemCallError) {
        guard let mounts else { return }
        mounts.receive = { [unowned self] changes, events in
            paths.receive(changes, into: &events)
            reloader.auto.receive(changes)
        }
        _ = try reactor.add(mounts)
    }

    /// Retries writes that failed.
    private func storeAgain() {
        guard state.trouble.passRetry(at: Clock.now) else { return }
        state.tryAgain()
        performer.makeDirectoriesAgain()
        if state.trouble.concerns(.positions) { journal.store(scheduler, lasting: false) }
    }

    /// Hangs while a file exists, for the tests of the watchdog; absent from release builds.
    private func hangIfAsked() {
        #if DEBUG
            guard let file = getenv("CRD_DEBUG_HANG_IF") else { return }
            while access(file, F_OK) == 0 { sleep(1) }
        #endif
    }

    /// Feeds the watchdog, from the loop itself so that it proves that the loop turns; updates the
    /// status line if it has changed.
    private func tellServiceManager() {
        if let period = serviceManager.watchdogPeriod {
            let now = Clock.now
            if aliveBy.map({ $0 <= now }) ?? true {
                serviceManager.tellAlive()
                aliveBy = now + period
            }
        }
        // A summary visits every module, and each of them may report, so it is rate-limited.
        let now = Clock.now
        guard hasReported, summaryAt.map({ $0 <= now }) ?? true else { return }
        hasReported = false
        summaryAt = now + Self.summaryPeriod
        let summary = report.summary
        guard summary != status else { return }
        status = summary
        serviceManager.tellStatus(summary)
    }

    /// Passes events to the scheduler, performs its commands, and passes it the resulting events.
    private func process(_ events: [Event], at now: Instant = Clock.now) {
        var waiting = Deque(events)
        while let event = waiting.popFirst() {
            for command in scheduler.receive(event, at: now) {
                switch command {
                case .exit: isDone = true
                case .rearm(let module):
                    var events: [Event] = []
                    for host in triggerHosts { host.rearm(module, into: &events) }
                    waiting.append(contentsOf: events)
                case .conclude:
                    let failing = performer.failing
                    waiting.append(contentsOf: performer.perform(command))
                    hasReported = hasReported || performer.failing != failing
                case .note:
                    hasReported = true
                    waiting.append(contentsOf: performer.perform(command))
                case .storeJournalRecords: journal.store(scheduler, lasting: false)
                case .forget(let module):
                    waiting.append(contentsOf: performer.perform(command))
                    reloader.inForce.forget(module)
                default: waiting.append(contentsOf: performer.perform(command))
                }
            }
        }
    }

    /// Turns the received signals into events.
    ///
    /// - Returns: whether SIGCHLD was among them.
    private func receiveSignals(into events: inout [Event]) -> Bool {
        var childHasEnded = false
        for signal in inbox.take() {
            switch signal.number {
            case SIGCHLD: childHasEnded = true
            case SIGTERM, SIGINT:
                logger.notice(
                    "stopping on signal \(signal.number) from process \(signal.pid); responses get \(TimeSpan(reloader.configuration.grace)) to finish"
                )
                serviceManager.tellStopping(within: longestEnd)
                isStopping = true
                reloader.stop()
                performer.hastenOutput(within: max(reloader.configuration.grace, .seconds(1)))
                events.append(.stopped)
            case SIGHUP: reload { _ in }
            default: break
            }
        }
        return childHasEnded
    }

    /// The longest time a stop takes: responses get `grace` to finish, their output may take a
    /// while, then `grace` from SIGTERM to SIGKILL.
    private var longestEnd: Duration {
        reloader.configuration.grace * 2 + OutputRelay.longestWait + Scheduler.killPatience
            + .seconds(5)
    }

    private func drop(_ failure: Reactor.Failure, _ events: inout [Event]) {
        logger.error("\(failure.error)")
        let host = triggerHosts.first { $0.owns(failure.source) }
        host?.lose(failure.error, into: &events)
        if reloader.auto.isSource(failure.source) { reloader.auto.lose(failure.error) }
        if failure.source is TimerSource || failure.source is SignalSource && host == nil {
            fatal = failure.error
        }
    }

    private var report: DaemonReport {
        DaemonReport(
            scheduler: scheduler, reloader: reloader, failing: performer.failing, paths: paths,
            journal: journal, containment: containment.name, started: started)
    }

    // MARK: Reload (G11)

    /// Performs a requested reload, or reads files that have changed and settled. The hosts of the
    /// triggers finish first what they have begun, since it belongs to the modules that are active.
    private func reload() {
        let now = Clock.now
        reloader.passObservations(at: now)
        guard let due = reloader.schedule.deadline, due <= now else { return resumeHosts() }
        let unfinished = triggerHosts.filter { !$0.pause() }
        guard unfinished.isEmpty || isStopping else { return }
        defer { resumeHosts() }
        for command in reloader.passDeadlines(at: now) { perform(command, at: now) }
    }

    private func resumeHosts() {
        for host in triggerHosts { host.resume() }
    }

    private func perform(_ command: ReloadSchedule.Command, at now: Instant) {
        switch command {
        case .rearmDirectories:
            var events: [Event] = []
            paths.rearm(.daemon, into: &events)
            process(events)
            reloader.passObservations(at: now)
        case .read(let scope):
            if scope == .everything { serviceManager.tellReloading() }
            let outcome = read(scope, at: now)
            guard let answer = reloader.finishReading(scope, outcome, at: now) else { return }
            status = report.summary
            serviceManager.tellReady(status)
            answerRequests(answer)
        case .refuseRequests: answerRequests(nil)
        }
    }

    /// - Parameter outcome: nil if the daemon stops.
    private func answerRequests(_ outcome: Reloader.Outcome?) {
        let requests = reloadRequests
        reloadRequests = []
        for answer in requests { answer(outcome) }
    }

    private func read(_ scope: ReloadSchedule.Scope, at now: Instant) -> Reloader.Outcome {
        var (outcome, reload) = reloader.read(scope, at: now)
        var events: [Event] = []
        let triggers = reloader.triggers
        for host in triggerHosts { host.change(to: triggers, &reload, into: &events) }
        performer.outputMax = reloader.configuration.outputMax
        process([.reloaded(reload)] + events)
        journal.store(scheduler, lasting: false)
        hasReported = true
        outcome.log(to: logger, scope)
        return outcome
    }
}

extension Daemon: ControlHost {
    var listing: ControlInterface.Listing { report.listing }

    func reload(_ answer: @escaping (Reloader.Outcome?) -> Void) {
        reloadRequests.append(answer)
        reloader.request()
    }
}

/// Whether the timer's deadline has passed.
private final class Alarm {
    var hasGoneOff = false
}
