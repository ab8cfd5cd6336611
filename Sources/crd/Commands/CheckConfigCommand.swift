// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

struct CheckConfigCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Read crd.conf and every module, and print all that is wrong.",
        discussion: """
            Each complaint is a line 'file:line:column: message'. Where 'warning:' begins the \
            message, nothing is refused for it. Exit codes: 0 there is no error, 1 there is one, \
            78 the file that was named is not there.
            """)

    @OptionGroup var options: ConfigurationOption

    func say(_ complaint: Diagnostic) { StandardOutput.say(complaint) }

    func run() throws {
        let file = ConfigurationFile.atRest(options.file)
        var complaints = file.complaints
        // Without the file, the directories of the modules are unknown.
        if file.isReadable {
            // The daemon may run as root even if we do not.
            let shelf = ModuleDirectories(
                file.configuration, switchesUsers: true, judgement: ExecutableJudgement())
            complaints += shelf.contents().allComplaints
        }
        for complaint in complaints { StandardOutput.say(complaint) }
        if !complaints.errors.isEmpty { throw ExitCode.failure }
    }
}
