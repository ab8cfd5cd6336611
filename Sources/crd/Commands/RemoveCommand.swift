// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

struct RemoveCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Undo a module's install with its rollback, and remove it.",
        discussion: """
            If 'rollback' fails, the module is inactive nevertheless, and the message says where \
            its files are kept. Exit codes: 0 removed, 1 not removed, or not undone.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Remove it even if other modules require it, or crd did not install it.")
    var force = false

    @Argument(
        help: ModuleArgument.help, completion: ModuleArgument.completion,
        transform: ModuleArgument.parse)
    var name: ModuleName

    func isDone(by finished: Recovery.Finished) -> Bool {
        if case .removed(name.description) = finished { true } else { false }
    }

    func run() throws {
        let file = options.load()
        try ModuleConsole.run {
            try Remover(file, console: ModuleConsole.make(file)).remove(name, force: force)
        }
        StandardOutput.say("removed \(name)")
        if !file.configuration.autoReload {
            StandardError.say("'auto-reload' is off: run crd reload to drop it")
        }
    }
}
