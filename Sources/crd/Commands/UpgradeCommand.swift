// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

struct UpgradeCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade",
        abstract: "Bring the newest version of an installed module.",
        discussion: """
            From where it came, if -l names no other place. The version that is there stays in \
            force until the new one's 'install' has succeeded. If it does not, its 'rollback' is \
            run, and then 'install' of the old one once more. Exit codes: 0 the newest version is in \
            force, 1 it is not.
            """)

    @OptionGroup var options: ConfigurationOption
    @OptionGroup var repository: RepositoryOption

    @Flag(help: "Do not ask before something is installed from a place never used before.")
    var yes = false

    @Flag(help: "Replace files that were changed since they were installed, too.")
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
