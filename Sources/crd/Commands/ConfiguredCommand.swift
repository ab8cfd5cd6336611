// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

/// A command that reads crd.conf and can therefore detect an interrupted change of modules.
protocol ConfiguredCommand: ParsableCommand {
    var options: ConfigurationOption { get }
    /// Returns whether the interrupted change was the same command, which is now repeated.
    func isDone(by finished: Recovery.Finished) -> Bool
    /// Prints a complaint about the configuration.
    func say(_ complaint: Diagnostic)
}

extension ConfiguredCommand {
    func isDone(by finished: Recovery.Finished) -> Bool { false }

    func say(_ complaint: Diagnostic) { StandardError.say("\(complaint)") }

    /// Finishes or undoes a change that a killed crd left behind. Ends with 78 if the explicitly
    /// named configuration is missing: the default file is not a substitute.
    ///
    /// - Returns: whether this command has nothing left to do.
    func recover() throws -> Bool {
        let file = ConfigurationFile.atRest(options.file)
        if file.isAbsent {
            for complaint in file.complaints { say(complaint) }
            throw ConfigurationOption.isWrong
        }
        guard file.isReadable else { return false }
        return Recovery.finishInterrupted(file, console: ModuleConsole.forRecovery)
            .map(isDone(by:)) ?? false
    }
}
