// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

struct VerifyCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare modules with what was installed.",
        discussion: """
            Prints a line for each file that differs: MODULE, then changed, missing or extra, then \
            the path. Modules without a receipt are named, but do not count as an error. Exit \
            codes: 0 everything is as installed, 1 something differs.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(
        help:
            "Print JSON: [{\"name\": …, \"commit\": …, \"changed\": [], \"missing\": [], \"extra\": []}, …]."
    )
    var json = false

    @Argument(
        help: ArgumentHelp("A module; without it, all.", valueName: "name"),
        completion: ModuleArgument.completion, transform: ModuleArgument.parse)
    var name: ModuleName?

    func run() throws {
        let file = options.load()
        let found = try ModuleConsole.run {
            try ModuleVerification.all(file.configuration, only: name)
        }
        if json {
            try JSONOutput.write(found)
        } else {
            for module in found { Self.show(module) }
        }
        if found.contains(where: { !$0.isClean }) { throw ExitCode.failure }
    }

    private static func show(_ module: ModuleVerification) {
        if let fault = module.fault {
            StandardError.say(fault)
        } else if module.commit == nil {
            StandardError.say("\(module.name) was not installed by crd")
        }
        for (word, paths) in [
            ("changed", module.changed), ("missing", module.missing), ("extra", module.extra),
        ] {
            for path in paths { StandardOutput.say("\(module.name) \(word) \(path)") }
        }
    }
}
