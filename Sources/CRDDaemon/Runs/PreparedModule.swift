// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import SystemPackage

/// A module with everything that its runs need and that does not change between runs.
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

    /// Makes the module's state directories, each owned by its role's user. Call this when a run
    /// begins: until then a run of the module's previous version may be using them.
    ///
    /// - Returns: former directories that were moved aside, since they belonged to another user.
    func makeDirectories() throws(SystemCallError) -> [ModuleStateDirectories.Former] {
        guard !hasDirectories else { return [] }
        let former = try directories.make()
        hasDirectories = true
        return former
    }

    /// Returns the role's user, if it is not the daemon's own.
    func user(_ role: Role) -> UserAccount? {
        guard let account = installed.accounts[role] else { return nil }
        return account.uid == UserAccount.daemon.uid ? nil : account
    }

    /// Returns the complete environment of one executable of one run (DESIGN section 4).
    func environment(_ role: Role, of run: Run, id: String) -> CStringBlock {
        var block = environments[role]?.block ?? CStringBlock()
        block.append(
            run: id, run.cause, events: run.events.lines.count, dropped: run.events.dropped)
        for variable in run.events.variables {
            block.append(variable.name, bytes: variable.value, limit: Self.valueMax)
        }
        return block
    }

    /// The size in bytes at which an event's variable is cut, since execve(2) takes at most 128 KiB
    /// in one string. `CRD_EVENTS` has the whole value.
    private static let valueMax = 4_096
}
