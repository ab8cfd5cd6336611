// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import Logging
import SystemPackage

/// Reads crd.conf and the modules, and puts in force what is right (G11).
final class Reloader {
    /// What came of it.
    struct Outcome {
        var added: [ModuleName] = []
        var changed: [ModuleName] = []
        var removed: [ModuleName] = []
        /// Something in crd.conf that is not a module's was changed.
        var isConfigurationChanged = false
        /// What is wrong with files of which what was read before stays in force.
        var refused: [Diagnostic] = []
        /// What else is wrong.
        var faults: [Diagnostic] = []
        /// What is doubtful in modules that are taken in all the same.
        var warnings: [Diagnostic] = []
        /// Not complete yet, and read again a second later.
        var unready: [ModuleName] = []
        /// Some of those wait for the name service.
        var awaitsAccounts = false

        static let consequence = "; until then the previous content stays active"

        /// One line, and one for each fault. Where nobody has asked, nothing is said of nothing.
        func log(to logger: Logger, _ scope: Scope) {
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

    /// What is wrong with crd.conf, and with what is no module.
    var complaints: [String] {
        fileFaults.map { "\($0)\(Outcome.consequence)" } + strayFaults.map(\.description)
    }

    /// What to look at.
    enum Scope: Equatable {
        /// All of it, since somebody asked.
        case everything
        /// The modules, crd.conf not among them.
        case allModules
        case modules([ModuleName])

        /// Nil for all.
        var names: [ModuleName]? {
            if case .modules(let names) = self { names } else { nil }
        }
    }

    let inForce = ModulesInForce()
    private let commons = BaseEnvironment.Commons()
    /// In force.
    private(set) var file: ConfigurationFile
    /// What is wrong with the file by now.
    private(set) var fileFaults: [Diagnostic] = []
    /// Of what is no module.
    private var strayFaults: [Diagnostic] = []
    private(set) var support: [ModuleOnDisk] = []
    /// Modules that named a user, when they were read last, of whom nothing was known yet.
    private var withoutAccount: Set<ModuleName> = []
    let auto: AutoReload
    let accounts: AccountDirectory
    private let probes: MountProbes
    /// What can be looked at without waiting for a file server.
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
        auto.apply(file.configuration)
        probes.recovered = { [auto] in auto.insistOnAll() }
        accounts.changed = { [unowned self] user in readAgain(whereUserIs: user) }
    }

    private var shelf: ModuleDirectories {
        ModuleDirectories(
            configuration, findAccount: { [accounts] in accounts.find($0) }, reach: reach)
    }

    /// Something else is known of the user than before.
    private func readAgain(whereUserIs user: String) {
        for name in withoutAccount { auto.insist(name) }
        for (_, member) in inForce.all
        where member.installed.manifest.roles.values.contains(where: { $0.user == user }) {
            auto.insist(member.name)
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
        noteWhoAwaitsAccounts(contents)
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

    /// Sees to what has come or gone between the reading of the modules and the watch on where they
    /// live: to be called when that is armed. From now on others are served.
    func noteStrangers() {
        probes.patience = MountProbes.Patience.inService
        let there = Set(shelf.names())
        for name in there.symmetricDifference(inForce.names) { auto.note(name) }
    }

    private func noteWhoAwaitsAccounts(_ contents: ModuleDirectories.Contents) {
        withoutAccount.subtract(contents.modules.map(\.name))
        withoutAccount.formUnion(contents.modules.filter(\.awaitsAccount).map(\.name))
    }

    // MARK: Again

    /// Looks at what is on disk and changes the inForce.
    ///
    /// - Returns: also what the scheduler must hear, without the journal's part.
    func read(_ scope: Scope, at now: Instant) -> (Outcome, Reload) {
        var outcome = Outcome()
        let former = configuration
        let wasWatching = auto.isOn
        if scope == .everything { readConfiguration(&outcome) }
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
        noteWhoAwaitsAccounts(contents)
        support = contents.modules.filter { $0.kind == .support }
        // What cannot be read says nothing of who has gone.
        if !contents.isReadable { sought = [] }
        var difference = ModuleDifference(
            from: { self.inForce.member($0)?.installed }, to: contents.modules, among: sought)
        difference.leaveOut { module in
            let member = inForce.member(module.name)?.installed
            // Modules of another directory are taken as they are, as those at the start.
            let isSeen = wasWatching && configuration.modules == former.modules
            guard auto.awaits(module, insteadOf: member, isSeen: isSeen, at: now) else {
                return false
            }
            outcome.unready.append(module.name)
            outcome.awaitsAccounts = outcome.awaitsAccounts || module.awaitsAccount
            return true
        }
        auto.settle(scope.names, except: outcome.unready)
        var reload = Reload(slots: configuration.slotsInForce)
        apply(difference, scope, to: &reload, &outcome)
        // Somebody who asks wants to know all that is refused, whoever noticed it first.
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
            for name in outcome.added { auto.note(name) }
        }
        return (outcome, reload)
    }

    /// All that is refused by now, but for files of which what was read before stays in force.
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
                "\(file.path): 'state' and 'runtime' cannot change while crd runs: \(then.state) and \(then.runtime) stay in use; restart crd for the others"
            )
        }
        file = new.keeping(state: then.state, runtime: then.runtime)
        outcome.isConfigurationChanged = configuration != then
        auto.apply(file.configuration)
    }

    /// What was not told before, unless somebody has asked.
    private func news(of complaints: [Diagnostic], _ scope: Scope) -> [Diagnostic] {
        scope == .everything ? complaints : complaints.filter { !strayFaults.contains($0) }
    }

    private func apply(
        _ difference: ModuleDifference, _ scope: Scope, to reload: inout Reload,
        _ outcome: inout Outcome
    ) {
        for name in difference.untouched {
            inForce.note([], of: name)
            if let id = inForce.id(of: name) { reload.untouched.append(id) }
        }
        for module in difference.kept {
            if module.isRefused, let id = inForce.id(of: module.name) {
                // The attempt to run it makes it known for what it is.
                reload.changes.append(.init(id, policy(of: inForce[id]), isEdited: true))
            }
            let isKnown = inForce.member(module.name)?.faults == module.complaints
            inForce.note(module.complaints, of: module.name, areRefusals: module.isRefused)
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

    // MARK: Who waits for what

    /// Those that can run and are wanted, in the order of their numbers.
    private var listening: [(id: ModuleID, module: PreparedModule)] {
        inForce.all.compactMap { id, member in
            guard !member.isLeaving, let prepared = member.prepared,
                prepared.installed.manifest.enabled
            else { return nil }
            return (id, prepared)
        }
    }

    var pathTriggers: [PathTriggers.Trigger] {
        listening.flatMap { id, module in module.installed.manifest.paths.map { (id, $0) } }
            + auto.triggers
    }

    var signalTriggers: [(ModuleID, [TriggerSignal])] {
        listening.map { ($0.id, $0.module.installed.manifest.signals) }.filter { !$0.1.isEmpty }
    }

    var journalTriggers: [JournalTriggers.Module] {
        listening.compactMap { id, module in
            let triggers = module.installed.manifest.journal
            return triggers.isEmpty ? nil : .init(id: id, name: module.name, triggers: triggers)
        }
    }

    /// What was logged while a module is broken is for it when it is mended; one that is disabled
    /// wants nothing.
    var broken: Set<String> {
        Set(inForce.all.filter { $0.member.prepared == nil }.map(\.member.name.description))
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

    /// All that is wrong.
    var complaints: [Diagnostic] { refused + faults }

    /// A line of the log is no place for a thousand names.
    private static func list(_ names: [ModuleName]) -> String {
        let shown = names.prefix(8).map(\.description).joined(separator: ", ")
        return names.count > 8 ? "\(shown), ..." : shown
    }
}
