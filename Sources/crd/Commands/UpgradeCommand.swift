// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

struct UpgradeCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade",
        abstract: "Install the newest version of an installed module.",
        discussion: """
            From its origin, unless -l names another location. The current version stays active \
            until the new one's 'install' has succeeded. If that 'install' fails, the 'rollback' \
            of the new version runs, and then 'install' of the current version again. Exit codes: \
            0 the newest version is active, 1 it is not.
            """)

    @OptionGroup var options: ConfigurationOption
    @OptionGroup var repository: RepositoryOption

    @Flag(help: "Do not ask before installing from a location for the first time.")
    var yes = false

    @Flag(help: "Replace files even if they were changed after their installation.")
    var force = false

    @Argument(
        help: ModuleArgument.help, completion: ModuleArgument.completion,
        transform: ModuleArgument.parse)
    var name: ModuleName

    func run() throws {
        let file = options.load()
        let location = try repository.named()
        let reference = try repository.reference()
        let outcome = try ModuleConsole.run {
            try Installer(file, console: ModuleConsole.make(file, assumesYes: yes))
                .upgrade(name, from: location, at: reference, force: force)
        }
        InstallCommand.report(
            outcome, file, outcome.isUnchanged ? "nothing newer than" : "upgraded")
    }
}
