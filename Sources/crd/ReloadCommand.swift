// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDDaemon
import CRDLinux
import CRDModules
import SystemPackage

struct ReloadCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have the daemon read crd.conf and all modules again.",
        discussion: """
            Returns when what is right is in force. What has not changed goes on as it was, and no \
            process is touched; of a file with faults, what was read before stays in force, and \
            each complaint is printed as 'file:line:column: message'. Exit codes: 0 all is in \
            force, 1 something was refused or no daemon answers.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() throws {
        // Broken or not, it is the daemon that judges the file, but where it listens stands in it.
        let file = ConfigurationFile(options.file)
        let socket = file.configuration.socketPath
        do {
            let reloaded = try ControlClient.reload(at: socket)
            print(Self.story(reloaded))
        } catch let error as ControlClient.ReloadRefused {
            for complaint in error.complaints { StandardError.say(complaint) }
            StandardError.say(
                "where files are faulty, what was read before stays in force; all else is in force")
            throw ExitCode.failure
        } catch {
            if !file.isReadable {
                for complaint in file.complaints { StandardError.say("\(complaint)") }
            }
            StandardError.say(ControlFailure.advice(error, socket))
            throw ExitCode.failure
        }
    }

    private static func story(_ reloaded: ReactorInterface.Reloaded) -> String {
        let parts = [
            ("new", reloaded.added), ("changed", reloaded.changed), ("gone", reloaded.removed),
            ("not complete yet, read again in a second", reloaded.unready),
        ]
        var told = reloaded.configurationChanged ? ["crd.conf has changed"] : []
        for (word, names) in parts where !names.isEmpty {
            told.append("\(word): \(names.joined(separator: ", "))")
        }
        return told.isEmpty ? "nothing has changed" : told.joined(separator: "; ")
    }
}
