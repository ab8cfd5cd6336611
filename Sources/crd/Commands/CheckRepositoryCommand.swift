// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules
import SystemPackage

struct CheckRepositoryCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-repository",
        abstract: "Check a directory of modules before it is published.",
        discussion: """
            Finds what --install would refuse, and what users will miss: a description, and a \
            rollback for each install. Each complaint is a line 'file:line:column: message'. \
            Exit codes: 0 no errors, 1 errors.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: ArgumentHelp("The directory.", valueName: "dir"), completion: .directory)
    var directory: String

    func run() throws {
        let check = try ModuleConsole.run {
            try RepositoryCheck(of: FilePath(directory))
        }
        for complaint in check.complaints + check.warnings { StandardOutput.say(complaint) }
        guard check.complaints.isEmpty else { throw ExitCode.failure }
        StandardError.say("\(CountedNoun(check.count, "module")), no errors")
    }
}
