// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import SystemPackage

/// A module with all that a run of it needs and that does not change from run to run.
final class PreparedModule {
    let installed: ModuleOnDisk
    private let environments: [Role: BaseEnvironment]
    private let directories: ModuleStateDirectories
    private var hasDirectories = false

    var name: String { installed.name.description }

    init(
        _ module: ModuleOnDisk, configuration: ConfigurationFile,
        sharing commons: BaseEnvironment.Commons
    ) {
        installed = module
        let directories = ModuleStateDirectories(
            of: module, below: FilePath(configuration.configuration.state))
        self.directories = directories
        var environments: [Role: BaseEnvironment] = [:]
        for role in Role.allCases {
            guard let account = module.accounts[role] else { continue }
            environments[role] = BaseEnvironment(
                module, role, as: account, state: directories.path(of: role),
                configuration: configuration, sharing: commons)
        }
        self.environments = environments
    }

    /// Makes the module's state directories, each its role's user's own. To be called when a run
    /// begins: until then they may be those of a run of the module as it was before.
    ///
    /// - Returns: what was put aside, since it was another user's.
    func makeDirectories() throws(SystemCallError) -> [ModuleStateDirectories.Former] {
        guard !hasDirectories else { return [] }
        let former = try directories.make()
        hasDirectories = true
        return former
    }

    /// Who the role runs as, if that is not the daemon's own user.
    func user(_ role: Role) -> UserAccount? {
        guard let account = installed.accounts[role] else { return nil }
        return account.uid == UserAccount.daemon.uid ? nil : account
    }

    /// The whole environment of one executable of one run (DESIGN section 4).
    func environment(_ role: Role, of run: Run, id: String) -> CStringBlock {
        var block = environments[role]?.block ?? CStringBlock()
        block.append(
            run: id, run.cause, events: run.events.lines.count, dropped: run.events.dropped)
        for variable in run.events.variables {
            block.append(variable.name, bytes: variable.value, limit: Self.valueMax)
        }
        return block
    }

    /// Where the value of an event's variable is cut, in bytes: execve(2) takes 128 KiB in one,
    /// and the whole value is among the events.
    private static let valueMax = 4_096
}
