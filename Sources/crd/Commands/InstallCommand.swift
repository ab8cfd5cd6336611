// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

/// Also available as `crd --install NAME` and `crd -l LOCATION NAME`.
struct InstallCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Install a module from git: crd --install NAME [-l LOCATION].",
        discussion: """
            The module is in the repository's root, or in NAME/, modules/NAME/ or support/NAME/. \
            Its 'install' runs before the module becomes visible; if it fails, its 'rollback' \
            runs, and nothing is left of the module. Exit codes: 0 installed, 1 not installed, and \
            everything is as before, or the message says what is not.
            """)

    @OptionGroup var options: ConfigurationOption
    @OptionGroup var repository: RepositoryOption

    @Flag(help: "Do not ask before installing from a location for the first time.")
    var yes = false

    @Argument(help: ModuleArgument.help, transform: ModuleArgument.parse)
    var name: ModuleName

    func isDone(by finished: Recovery.Finished) -> Bool {
        guard case .installed(let receipt) = finished, receipt.name == name.description else {
            return false
        }
        let isThence = (try? repository.location(options.load()))?.url == receipt.origin
        let isAtRef = (try? repository.reference())??.description ?? GitReference.head.description
        return isThence && isAtRef == receipt.ref
    }

    func run() throws {
        let file = options.load()
        let location = try repository.location(file)
        let reference = try repository.reference() ?? .head
        let outcome = try ModuleConsole.run {
            try Installer(file, console: ModuleConsole.make(file, assumesYes: yes))
                .install(name, from: location, at: reference)
        }
        Self.report(outcome, file, "installed")
    }

    static func report(_ outcome: Installer.Outcome, _ file: ConfigurationFile, _ what: String) {
        let receipt = outcome.receipt
        let signer = receipt.signer.map { ", signed by \($0)" } ?? ""
        StandardOutput.say(
            "\(what) \(receipt.name), a \(receipt.kind.rawValue) module: commit \(receipt.commit)\(signer)"
        )
        for complaint in outcome.complaints {
            StandardError.say("it cannot be used yet: \(complaint)")
        }
        if receipt.kind == .user && !file.configuration.autoReload {
            StandardError.say("'auto-reload' is off: run crd reload to activate it")
        }
    }
}
