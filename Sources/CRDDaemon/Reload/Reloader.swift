// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import Logging
import SystemPackage

/// Reads crd.conf and the modules, and applies those without faults (G11).
final class Reloader {
    /// The result of a reload.
    struct Outcome {
        var added: [ModuleName] = []
        var changed: [ModuleName] = []
        var removed: [ModuleName] = []
        /// Whether the settings of crd.conf have changed.
        var isConfigurationChanged = false
        /// The faults of files whose previous content stays in effect.
        var refused: [Diagnostic] = []
        /// All other faults.
        var faults: [Diagnostic] = []
        /// Doubtful parts of modules that are in effect nevertheless.
        var warnings: [Diagnostic] = []
        /// Modules that are not complete yet; they are read again a second later.
        var unready: [ModuleName] = []
        /// Whether some of the unready modules wait for the name service.
        var awaitsAccounts = false

        static let consequence = "; until then the previous content stays active"

        /// Returns the outcome of this reading and an earlier one.
        func following(_ first: Outcome) -> Outcome {
            var both = self
            both.added = Set(first.added + added).subtracting(removed).sorted()
            both.changed = Set(first.changed + changed).subtracting(both.added + removed).sorted()
            both.removed = Set(first.removed + removed).subtracting(added).sorted()
            both.isConfigurationChanged =
                first.isConfigurationChanged || isConfigurationChanged
            both.warnings = first.warnings + warnings
            return both
        }

        /// Logs one line, and one for each fault. Logs nothing if nothing has changed, unless the
        /// reload was requested.
        func log(to logger: Logger, _ scope: ReloadSchedule.Scope) {
            for fault in faults { logger.error("\(fault)") }
            for warning in warnings { logger.warning("\(warning.lineOfLog)") }
            for fault in refused { logger.error("\(fault)\(Self.consequence)") }
            let hasChanged =
                !(added.isEmpty && changed.isEmpty && removed.isEmpty) || isConfigurationChanged
            guard hasChanged || scope == .everything else { return }
            let isRefused = !hasChanged && !complaints.isEmpty
            logger.notice(isRefused ? "not reloaded: see the errors above" : "reloaded: \(self)")
        }
    }

    /// The faults of crd.conf, and of directory entries that are not modules.
    var complaints: [String] {
        fileFaults.map { "\($0)\(Outcome.consequence)" } + strayFaults.map(\.description)
    }

    let inForce = ModulesInForce()
    private let commons = BaseEnvironment.Commons()
    /// The configuration in effect.
    private(set) var file: ConfigurationFile
    /// The faults of the file's current content.
    private(set) var fileFaults: [Diagnostic] = []
    /// The faults of directory entries that are not modules.
    private var strayFaults: [Diagnostic] = []
    private(set) var support: [ModuleOnDisk] = []
    /// Modules that named a user about whom the name service had not answered when they were last
    /// read.
    private var withoutAccount: Set<ModuleName> = []
    private(set) var schedule = ReloadSchedule()
    /// What was observed and is not passed to the schedule yet.
    private var observations: [ReloadSchedule.Event] = []
    /// The outcome of a requested reading, while the requests wait for the name service.
    private var unanswered: Outcome?
    let auto: AutoReload
    private let accounts: AccountDirectory
    private let probes: MountProbes
    /// Tells which paths can be read without waiting for a file server.
    let reach: PathReach
    private let logger: Logger

    var configuration: Configuration { file.configuration }

    init(
        _ file: ConfigurationFile, reactor: Reactor, helpers: HelperProcess.Roll,
        mounts: MountMap, logger: Logger
    ) {
        self.file = file
        self.logger = logger
        accounts = AccountDirectory(helpers, logger: logger)
        probes = MountProbes(mounts, helpers: helpers, logger: logger)
        reach = PathReach(probes)
        auto = AutoReload(reactor: reactor, mounts: mounts, reach: reach, logger: logger)
        auto.report = { [unowned self] in observations.append($0) }
        auto.apply(file.configuration)
        probes.recovered = { [unowned self] in observations.append(.changedSomewhere) }
        accounts.changed = { [unowned self] user in readAgain(whereUserIs: user) }
    }

    private var shelf: ModuleDirectories {
        ModuleDirectories(
            configuration, findAccount: { [accounts] in accounts.find($0) }, reach: reach)
    }

    /// Reads the user's modules again after the account has changed.
    private func readAgain(whereUserIs user: String) {
        for name in withoutAccount { observations.append(.changed(name)) }
        for (_, member) in inForce.all
        where member.installed.manifest.roles.values.contains(where: { $0.user == user }) {
            observations.append(.changed(member.name))
        }
    }

    /// Reads the modules at the daemon's start.
    ///
    /// - Returns: the modules' policies, by their numbers.
    func begin() -> [Policy] {
        let shelf = shelf
        auto.follow(shelf.names())
        let contents = accounts.read(waiting: AccountDirectory.Patience.atStart) {
            shelf.contents()
        }
        for complaint in contents.lastingComplaints { logger.error("\(complaint)") }
        for warning in contents.modules.flatMap(\.warnings) {
            logger.warning("\(warning.lineOfLog)")
        }
        strayFaults = contents.complaints
        setWhoAwaitsAccounts(contents)
        support = contents.modules.filter { $0.kind == .support }
        var policies: [Policy] = []
        for module in contents.modules where module.kind == .user {
            let (member, policy) = prepare(module)
            _ = inForce.put(member)
            policies.append(policy)
            if module.isHalf, let reason = module.reasonUnable {
                logger.error("\(module.name): cannot run: \(reason)")
            }
        }
        return policies
    }

    /// Marks the modules that were added or removed between the initial reading and the arming of
    /// the watches. Call this after arming; from then on the daemon serves others.
    func touchStrangers() {
        probes.patience = MountProbes.Patience.inService
        let there = Set(shelf.names())
        touch(there.symmetricDifference(inForce.names))
    }

    /// Has the modules read again, since they may have changed while nothing watched them.
    private func touch(_ names: some Sequence<ModuleName>) {
        guard auto.isOn else { return }
        for name in names { observations.append(.changed(name)) }
    }

    private func setWhoAwaitsAccounts(_ contents: ModuleDirectories.Contents) {
        withoutAccount.subtract(contents.modules.map(\.name))
        withoutAccount.formUnion(contents.modules.filter(\.awaitsAccount).map(\.name))
    }

    // MARK: Reload

    /// Reads the files and updates `inForce`.
    ///
    /// - Returns: the outcome, and the scheduler's changes without the journal's part.
    func read(_ scope: ReloadSchedule.Scope, at now: Instant) -> (Outcome, Reload) {
        var outcome = Outcome()
        let former = configuration
        let wasWatching = auto.isOn
        if scope == .everything {
            readConfiguration(&outcome)
            // If files are no longer watched, the schedule forgets all changes, but not those
            // modules that this reading is about to postpone.
            passObservations(at: now)
        }
        let shelf = shelf
        let patience = AccountDirectory.Patience.inService
        let contents: ModuleDirectories.Contents
        var sought: [ModuleName]
        if case .modules(let names) = scope {
            contents = accounts.read(waiting: patience) { shelf.contents(only: names) }
            sought = names
        } else {
            contents = accounts.read(waiting: patience) { shelf.contents() }
            sought = inForce.names.sorted()
            outcome.faults += news(of: contents.complaints, scope)
            strayFaults = contents.complaints
        }
        setWhoAwaitsAccounts(contents)
        support = contents.modules.filter { $0.kind == .support }
        // An unreadable directory does not prove that modules were removed.
        if !contents.isReadable { sought = [] }
        var difference = ModuleDifference(
            from: { self.inForce.member($0)?.installed }, to: contents.modules, among: sought)
        difference.leaveOut { module in
            let member = inForce.member(module.name)?.installed
            // Modules in a new directory are taken as they are, as at the start.
            let isObserved =
                wasWatching && auto.isOn && configuration.modules == former.modules
            guard postpones(module, insteadOf: member, isObserved, at: now) else { return false }
            outcome.unready.append(module.name)
            outcome.awaitsAccounts = outcome.awaitsAccounts || module.awaitsAccount
            return true
        }
        var reload = Reload(slots: configuration.slotsInForce)
        apply(difference, scope, to: &reload, &outcome)
        // A requested reload reports every refused file, even if its faults were logged before.
        if scope == .everything { outcome.faults = faults(in: contents, but: outcome) }
        if configuration != former {
            let edited = Set(reload.changes.map(\.module))
            for (id, member) in inForce.all where !edited.contains(id) && !member.isLeaving {
                reload.changes.append(.init(id, policy(of: member), isEdited: false))
            }
        }
        if case .modules(let names) = scope {
            for name in names { auto.follow(name) }
        } else {
            auto.follow(inForce.names + outcome.unready)
            // They may have changed between the reading and the watch.
            touch(outcome.added)
        }
        return (outcome, reload)
    }

    /// Returns whether the module is not taken in yet.
    ///
    /// - Parameter former: the version that is in effect now.
    private func postpones(
        _ module: ModuleOnDisk, insteadOf former: ModuleOnDisk?, _ isObserved: Bool,
        at now: Instant
    ) -> Bool {
        let finding = ReloadSchedule.Finding(
            module.name, unreadiness: module.unreadiness, hasManifest: module.hasManifest,
            mayRunAlready: former.map { !$0.hasManifest && !$0.isHalf } ?? false,
            isObserved: isObserved)
        guard let postponement = schedule.postpone(finding, at: now) else { return false }
        if postponement == .withoutManifest(isNews: true) {
            logger.info(
                "\(module.name): has no module.toml yet; it will be activated once its files have not changed for \(TimeSpan(FileChanges.manifestPatience)), since a module.toml may still be added. A directory that is moved into place with all its files is activated after \(TimeSpan(FileChanges.quiet))"
            )
        }
        return true
    }

    /// Returns all faults, except those of files whose previous content stays in effect.
    private func faults(in contents: ModuleDirectories.Contents, but outcome: Outcome)
        -> [Diagnostic]
    {
        let known = Set(outcome.refused)
        let unready = Set(outcome.unready)
        let ready = contents.modules.filter { !unready.contains($0.name) }
        return (contents.complaints + ready.flatMap { $0.complaints + $0.executableComplaints })
            .filter { !known.contains($0) }
    }

    private func readConfiguration(_ outcome: inout Outcome) {
        if let obstacle = reach.obstacle(on: file.path) {
            fileFaults = [
                Diagnostic(
                    file: file.path.string, position: .start, message: obstacle.description)
            ]
            outcome.refused += fileFaults
            return
        }
        let new = file.readAgain()
        fileFaults = new.complaints
        guard new.complaints.isEmpty else {
            outcome.refused += new.complaints
            return
        }
        let (now, then) = (new.configuration, configuration)
        if now.state != then.state || now.runtime != then.runtime {
            logger.warning(
                "\(file.path): 'state' and 'runtime' cannot be changed while crd is running: \(then.state) and \(then.runtime) stay in use; restart crd to use the new ones"
            )
        }
        file = new.keeping(state: then.state, runtime: then.runtime)
        outcome.isConfigurationChanged = configuration != then
        auto.apply(file.configuration)
    }

    /// Returns the complaints that were not logged before, or all of them if the reload was
    /// requested.
    private func news(
        of complaints: [Diagnostic], _ scope: ReloadSchedule.Scope
    ) -> [Diagnostic] {
        scope == .everything ? complaints : complaints.filter { !strayFaults.contains($0) }
    }

    private func apply(
        _ difference: ModuleDifference, _ scope: ReloadSchedule.Scope, to reload: inout Reload,
        _ outcome: inout Outcome
    ) {
        for name in difference.untouched {
            inForce.setFaults([], of: name)
            if let id = inForce.id(of: name) { reload.untouched.append(id) }
        }
        for module in difference.kept {
            if module.isRefused, let id = inForce.id(of: module.name) {
                // The attempt to run it reports the fault.
                reload.changes.append(.init(id, policy(of: inForce[id]), isEdited: true))
            }
            let isKnown = inForce.member(module.name)?.faults == module.complaints
            inForce.setFaults(module.complaints, of: module.name, areRefusals: module.isRefused)
            guard !isKnown || scope == .everything else { continue }
            if module.isRefused {
                outcome.faults += module.complaints
            } else {
                outcome.refused += module.complaints
            }
        }
        for module in difference.added + difference.changed {
            let (member, policy) = prepare(module)
            let id = inForce.put(member)
            reload.changes.append(.init(id, policy, isEdited: true))
            outcome.faults += module.complaints
            outcome.warnings += module.warnings
            if module.isHalf { outcome.faults += module.executableComplaints }
        }
        outcome.added = difference.added.map(\.name)
        outcome.changed = difference.changed.map(\.name)
        for name in difference.removed {
            guard let id = inForce.leave(name) else { continue }
            reload.removed.append(id)
            outcome.removed.append(name)
        }
    }

    // MARK: When to read

    /// Asks for a reload of everything. `finishReading` says when to answer.
    func request() { observations.append(.requested) }

    /// The daemon stops: nothing is read any more.
    func stop() { observations.append(.stopped) }

    /// Passes what was observed to the schedule.
    func passObservations(at now: Instant) {
        for event in observations { schedule.receive(event, at: now) }
        observations = []
        if !accounts.isPending { schedule.receive(.accountsAnswered, at: now) }
    }

    /// Returns what to do if a deadline of the schedule has come.
    func passDeadlines(at now: Instant) -> [ReloadSchedule.Command] {
        schedule.passDeadlines(at: now)
    }

    /// Ends what `read` began, once its changes have been applied.
    ///
    /// - Returns: what to answer all requests with; nil: they wait, or there are none.
    func finishReading(
        _ scope: ReloadSchedule.Scope, _ outcome: Outcome, at now: Instant
    ) -> Outcome? {
        let isAnswer = schedule.finishReading(
            scope, unready: outcome.unready, awaitsAccounts: outcome.awaitsAccounts, at: now)
        guard scope == .everything else { return nil }
        let whole = unanswered.map(outcome.following) ?? outcome
        unanswered = isAnswer ? nil : whole
        return isAnswer ? whole : nil
    }

    // MARK: One module

    private func prepare(_ module: ModuleOnDisk) -> (ModulesInForce.Member, Policy) {
        var policy = Policy(
            name: module.name, manifest: module.manifest, configuration: configuration)
        if let reason = module.reasonUnable {
            policy.standing = .failed(reason: reason)
            return (.init(unable: module), policy)
        }
        return (.init(PreparedModule(module, configuration: file, sharing: commons)), policy)
    }

    private func policy(of member: ModulesInForce.Member) -> Policy {
        let module = member.installed
        var policy = Policy(
            name: module.name, manifest: module.manifest, configuration: configuration)
        if member.prepared == nil {
            policy.standing = .failed(reason: module.reasonUnable ?? "")
        }
        return policy
    }

    // MARK: Triggers

    /// Enabled modules that can run, in the order of their numbers.
    private var listening: [(id: ModuleID, module: PreparedModule)] {
        inForce.all.compactMap { id, member in
            guard !member.isLeaving, let prepared = member.prepared,
                prepared.installed.manifest.enabled
            else { return nil }
            return (id, prepared)
        }
    }

    var triggers: TriggersInForce {
        let manifests = listening.map { ($0, $1.name, $1.installed.manifest) }
        let broken = inForce.all.filter { $0.member.prepared == nil }
        return TriggersInForce(
            paths: manifests.flatMap { id, _, manifest in
                manifest.paths.map { (.module(id), $0) }
            } + auto.triggers.map { (.daemon, $0) },
            signals: manifests.filter { !$2.signals.isEmpty }.map { ($0, $2.signals) },
            journal: manifests.filter { !$2.journal.isEmpty }.map {
                JournalTriggers.Module(id: $0, name: $1, triggers: $2.journal)
            },
            broken: Set(broken.map(\.member.name.description)), configuration: configuration)
    }
}

extension Reloader.Outcome: CustomStringConvertible {
    var description: String {
        var told = isConfigurationChanged ? ["crd.conf has changed"] : []
        let parts = [
            ("new", added), ("changed", changed), ("gone", removed), ("not complete yet", unready),
        ]
        for (word, names) in parts where !names.isEmpty {
            told.append("\(names.count) \(word) (\(Self.list(names)))")
        }
        return told.isEmpty ? "nothing has changed" : told.joined(separator: ", ")
    }

    /// All faults.
    var complaints: [Diagnostic] { refused + faults }

    /// Lists some names only: a log line has no room for a thousand.
    private static func list(_ names: [ModuleName]) -> String {
        let shown = names.prefix(8).map(\.description).joined(separator: ", ")
        return names.count > 8 ? "\(shown), ..." : shown
    }
}
