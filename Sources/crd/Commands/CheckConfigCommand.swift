// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

struct CheckConfigCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Read crd.conf and every module, and print all errors and warnings.",
        discussion: """
            Each complaint is a line 'file:line:column: message'. A message that begins with \
            'warning:' does not count as an error. Exit codes: 0 no errors, 1 errors, 78 the file \
            named by --config does not exist.
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
