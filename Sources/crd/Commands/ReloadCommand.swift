// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDDaemon
import CRDLinux
import CRDModules
import SystemPackage

struct ReloadCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Make the daemon read crd.conf and all modules again.",
        discussion: """
            Returns when the changes are active. Unchanged modules continue undisturbed, and no \
            process is ended. If a file has errors, its previous content stays active, and each error \
            is printed as 'file:line:column: message'. Exit codes: 0 all is active, 1 something was \
            refused, or no daemon answers.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() throws {
        // The daemon judges the file, but even a faulty file tells where the daemon listens.
        let file = ConfigurationFile.atRest(options.file)
        let socket = file.configuration.socketPath
        do {
            guard try !Self.reload(file, socket) else { return }
            StandardError.say(
                "files with errors are ignored, and their previous content stays active; everything else is active"
            )
            throw ExitCode.failure
        } catch let code as ExitCode {
            throw code
        } catch {
            if !file.isReadable {
                for complaint in file.complaints { StandardError.say("\(complaint)") }
            }
            StandardError.say(ControlFailure.advice(error, socket))
            throw ExitCode.failure
        }
    }

    /// Reloads and prints all complaints.
    ///
    /// - Returns: whether nothing was refused.
    private static func reload(_ file: ConfigurationFile, _ socket: FilePath) throws -> Bool {
        var told: Set<String> = []
        func tell(_ complaints: [String]) {
            for complaint in complaints where told.insert(complaint).inserted {
                StandardError.say(complaint)
            }
        }
        do {
            StandardOutput.say(story(try ControlClient.reload(at: socket)))
        } catch let error as ControlClient.ReloadRefused {
            tell(error.complaints)
        }
        tell(try complaintsOfExecutables(file, socket))
        return told.isEmpty
    }

    /// Returns the faults of failed modules' executables. The daemon sees only that the kernel
    /// refused to run them; the command can take the time to read the files.
    private static func complaintsOfExecutables(
        _ file: ConfigurationFile, _ socket: FilePath
    ) throws -> [String] {
        let failed = try ControlClient.list(at: socket).modules
            .filter { $0.state == "failed" }.compactMap { ModuleName($0.name) }
        guard !failed.isEmpty else { return [] }
        let shelf = ModuleDirectories(file.configuration, judgement: ExecutableJudgement())
        return failed.map(shelf.contents).flatMap(\.executableComplaints).map(\.description)
    }

    private static func story(_ reloaded: ControlInterface.Reloaded) -> String {
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
