// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import Logging
import SystemPackage

/// Performs the scheduler's commands: starts, signals and forgets processes. Does not decide
/// anything.
final class Performer {
    private let reactor: Reactor
    private let containment: any Containment
    private let rule: OwnershipRule
    private let inForce: ModulesInForce
    /// How much of a check's output is kept for its response, in bytes.
    var outputMax: Int
    /// Passes the modules' log output on.
    let forwarder: OutputForwarder
    private let reporter: RunReporter
    private let trouble: StateTrouble
    /// Modules that ran without their `CRD_STATE` directories.
    private var lacking: [ModuleID: PreparedModule] = [:]
    private var active: [ModuleID: ActiveRun] = [:]
    /// Modules whose latest response failed.
    private(set) var failing: Set<ModuleID> = []
    /// Distinguishes the runs of this life of the daemon from those of others.
    private let life: DaemonLife
    private let supplies: SpawnSupplies
    private let kept: KeptOutputs
    private let relays: OutputRelays
    /// The open file limit that modules get, if the daemon's own was raised.
    private let openFiles = ChildProcess.raiseOpenFiles()

    init(
        _ inForce: ModulesInForce, reactor: Reactor, containment: any Containment,
        helpers: HelperProcess.Roll, life: DaemonLife, reach: PathReach, outputMax: Int,
        output: LogOutput, reporter: RunReporter, trouble: StateTrouble
    ) throws(SystemCallError) {
        self.inForce = inForce
        self.reactor = reactor
        self.containment = containment
        self.outputMax = outputMax
        forwarder = OutputForwarder(output, reporter)
        self.reporter = reporter
        self.life = life
        rule = OwnershipRule(reach: reach)
        self.trouble = trouble
        supplies = SpawnSupplies(reactor)
        kept = KeptOutputs(reactor, reporter)
        relays = OutputRelays(helpers, logger: reporter.logger)
    }

    /// Performs a command.
    ///
    /// - Returns: events that the scheduler must receive at once.
    func perform(_ command: Command) -> [Event] {
        switch command {
        case .spawn(let module, let role, let run): return spawn(module, role, run)
        case .signal(let module, let signal):
            guard let active = active[module] else { return [] }
            return send(signal, to: active.tree)
        case .clear(let module, let signal): return clear(module, signal)
        case .conclude(let module, let conclusion): conclude(module, conclusion)
        case .note(let module, let notice):
            reporter.report(
                notice, of: name(of: module), responseFails: failing.contains(module))
        case .forget(let module):
            failing.remove(module)
            forwarder.forget(name(of: module))
        case .rearm, .storeJournalRecords, .exit: break
        }
        return []
    }

    /// Prepares the next spawn while nothing else is to be done, and begins a turn of the log
    /// output.
    func prepare() {
        forwarder.beginTurn()
        supplies.restock()
    }

    /// Whether there is work that must not wait for an event.
    var hasBacklog: Bool { forwarder.hasBacklog || hasAdoptedBacklog || relays.hasBacklog }

    /// Whether adopted processes remain to be signalled or collected.
    var hasAdoptedBacklog: Bool { containment.hasBacklog }

    /// When a relay's answer is due.
    var deadline: Instant? { relays.deadline }

    /// Continues what has waited for the output of roles.
    func settle(into events: inout [Event]) {
        relays.callDue(into: &events)
    }

    /// Waits for output no longer than that from now on, since the daemon stops.
    func hastenOutput(within patience: Duration) {
        relays.hasten(within: patience)
    }

    /// Collects adopted children, after SIGCHLD or while there is a backlog.
    func reapAdopted(into events: inout [Event]) {
        containment.reapAdopted(into: &events)
    }

    private func name(of module: ModuleID) -> String {
        inForce[module].name.description
    }

    /// Passes on the pending output, and kills all leftovers that may not stay, after the
    /// scheduler's `.exit`.
    ///
    /// - Returns: whether only processes that may stay are left.
    func endLeftovers() -> Bool {
        relays.finish()
        forwarder.flush()
        if containment.endLeftovers() { return true }
        reporter.logger.error("a module's process could not be ended and may live on")
        return false
    }

    // MARK: Starting

    private func spawn(_ id: ModuleID, _ role: Role, _ run: Run) -> [Event] {
        let active = active[id] ?? begin(run, of: id)
        let module = active.prepared
        do {
            switch role {
            case .check:
                try module.installed.verify(under: rule)
                try makeDirectories(of: module, id)
            case .response:
                // A process that outlives the check could otherwise alter the output that the
                // response reads.
                closeOutputs(of: active)
                try module.installed.verify(role, under: rule)
            }
            try containment.admit(active.tree)
            try start(module, role, active)
            return [.spawned(id, at: Clock.now)]
        } catch {
            unregister(active)
            if role == .check { forget(active) }
            let failure = error as? SpawnError
            return [failure?.event(of: id) ?? .unable(id, reason: "\(error)")]
        }
    }

    /// Makes the state directories. If that fails for lack of space or the like, the module runs
    /// without them: it may be the one that frees space.
    private func makeDirectories(
        of module: PreparedModule, _ id: ModuleID
    ) throws(SystemCallError) {
        do throws(SystemCallError) {
            for former in try module.makeDirectories() { reporter.report(former, of: module.name) }
            guard lacking.removeValue(forKey: id) != nil else { return }
            if lacking.isEmpty { trouble.heal(.modules) }
        } catch let error where error.meansUnwritable {
            lacking[id] = module
            trouble.report(.modules, error)
        }
    }

    /// Retries the state directories that could not be made, for modules that are unchanged.
    func makeDirectoriesAgain() {
        for (id, module) in lacking {
            // A new version of the module may assign them to another user.
            guard inForce.prepared(id) === module else {
                lacking[id] = nil
                continue
            }
            try? makeDirectories(of: module, id)
        }
        if lacking.isEmpty { trouble.heal(.modules) }
    }

    private func begin(_ run: Run, of id: ModuleID) -> ActiveRun {
        guard let prepared = inForce[id].prepared else {
            preconditionFailure("a module that cannot run was started")
        }
        let active = ActiveRun(
            run, of: id, prepared, id: "\(life.runPrefix)\(run.number)", outputMax: outputMax)
        self.active[id] = active
        return active
    }

    private func start(_ module: PreparedModule, _ role: Role, _ active: ActiveRun) throws {
        let forwarded = {
            [forwarder, name = module.name, id = active.tree.id, cause = active.run.cause] in
            LogSink(forwarder, module: name) {
                Self.fields(name, role, id, cause)
            }
        }
        let printed = try supplies.pipe(into: role == .check ? active.captured : forwarded())
        active.outputs.append((printed.source, printed.token))
        let told = try supplies.pipe(into: forwarded())
        active.outputs.append((told.source, told.token))
        let nothing = try supplies.emptyInput()
        let input = try input(of: role, active)
        let events = try supplies.eventFile(active.run.events.text)
        let user = module.user(role)
        let channel = try user.map { try relays.open([printed, told], for: $0) }
        active.channel = channel
        let mayStay = role == .response && module.installed.manifest.leftovers == .keep
        let mark = RunMark(life: life.mark, mayStay: mayStay, run: active.tree.number)
        let request = ChildProcess.Request(
            path: module.installed.executable(role).string,
            environment: module.environment(role, of: active.run, id: active.tree.id),
            directory: module.installed.directory.string,
            descriptors: (
                input?.descriptor ?? nothing.descriptor, printed.childEnd, told.childEnd,
                events.descriptor
            ),
            user: user, cgroup: active.tree.cgroup?.directoryDescriptor,
            openFiles: openFiles, mark: mark.processMark)
        let process = try withExtendedLifetime((nothing, input, events)) {
            try ChildProcess.spawn(request) {
                printed.replaceChildEnd(nil)
                told.replaceChildEnd(nil)
            }
        }
        let source = ChildSource(
            process, outputs: channel == nil ? [printed.source, told.source] : []
        ) { [weak self] end, events in
            self?.receive(end, of: active, role, mayStay: mayStay, into: &events)
        }
        do throws(SystemCallError) {
            active.token = try reactor.add(source)
        } catch {
            source.abandon()
            throw error
        }
        active.tree.process = source
    }

    /// Returns the check's output as the response's input; nil stands for an empty input.
    private func input(
        of role: Role, _ active: ActiveRun
    ) throws(SystemCallError) -> MemoryFile? {
        guard role == .response else { return nil }
        return try MemoryFile(name: "crd-output", active.captured.bytes)
    }

    private static func fields(
        _ name: String, _ role: Role, _ id: String, _ cause: Cause
    ) -> [LogOutput.Field] {
        [
            .init("CRD_MODULE", name), .init("CRD_ROLE", role.rawValue),
            .init("CRD_RUN", id), .init("CRD_TRIGGER", cause.rawValue),
        ]
    }

    // MARK: Ending

    /// Ends a role whose process has ended, once its output has been received.
    private func receive(
        _ end: ChildSource.End, of active: ActiveRun, _ role: Role, mayStay: Bool,
        into events: inout [Event]
    ) {
        letGo(of: active)
        guard let channel = active.channel, case .ended = end else {
            return self.end(active, role, end, mayStay: mayStay, into: &events)
        }
        events.append(.awaitingOutput(active.module, since: Clock.now))
        relays.settle(channel) { [weak self] events in
            self?.end(active, role, end, mayStay: mayStay, into: &events)
        }
    }

    private func end(
        _ active: ActiveRun, _ role: Role, _ end: ChildSource.End, mayStay: Bool,
        into events: inout [Event]
    ) {
        if mayStay {
            kept.keep(active.outputs, of: active.prepared.name)
            leaveOutputs(of: active)
        }
        // Other processes of the run may still be cleaning up, and printing must not kill them by
        // SIGPIPE.
        for output in active.outputs { output.source.outlivesChild = true }
        switch end {
        case .ended(let termination): events.append(.exited(active.module, termination))
        case .unstarted(let failure):
            // A check that did not start sends no further events.
            if role == .check { forget(active) }
            events.append(failure.event(of: active.module))
        }
    }

    private func unregister(_ active: ActiveRun) {
        closeOutputs(of: active)
        letGo(of: active)
    }

    private func closeOutputs(of active: ActiveRun) {
        for output in active.outputs { reactor.remove(output.token) }
        leaveOutputs(of: active)
    }

    /// Leaves the run without outputs, which end by themselves or have been closed.
    private func leaveOutputs(of active: ActiveRun) {
        active.outputs = []
        active.channel?.release()
        active.channel = nil
    }

    private func letGo(of active: ActiveRun) {
        if let token = active.token { reactor.remove(token) }
        active.token = nil
        active.tree.process = nil
    }

    private func clear(_ id: ModuleID, _ signal: TreeSignal?) -> [Event] {
        guard let active = active[id] else { return [] }
        var events: [Event] = []
        if containment.isEmpty(active.tree) {
            active.tree.tellEmptied(into: &events)
            return events
        }
        if let signal { events = send(signal, to: active.tree) }
        active.tree.awaitsEmptiness = true
        containment.awaitEmptiness(of: active.tree)
        return events
    }

    private func send(_ signal: TreeSignal, to tree: ProcessTree) -> [Event] {
        var events: [Event] = []
        if let refusal = containment.send(signal, to: tree) { tree.tell(refusal, into: &events) }
        return events
    }

    private func conclude(_ id: ModuleID, _ conclusion: Conclusion) {
        guard let active = active[id] else { return }
        if conclusion.hasFailedResponse { failing.insert(id) } else { failing.remove(id) }
        reporter.report(conclusion, of: name(of: id), id: active.tree.id)
        if active.captured.dropped > 0 {
            reporter.reportDropped(active.captured.dropped, of: name(of: id), limit: outputMax)
        }
        forget(active)
    }

    private func forget(_ run: ActiveRun) {
        if let channel = run.channel, !channel.isFinished {
            let tokens = run.outputs.map(\.token)
            relays.settle(channel) { [reactor] _ in tokens.forEach(reactor.remove) }
            leaveOutputs(of: run)
        } else {
            for output in run.outputs { output.source.readRest() }
            closeOutputs(of: run)
        }
        containment.release(run.tree)
        active[run.module] = nil
    }
}
