// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

/// A command that reads crd.conf, and so knows whether a change of modules was interrupted.
protocol ConfiguredCommand: ParsableCommand {
    var options: ConfigurationOption { get }
    /// Whether what was left half done was this command, given once more.
    func isDone(by finished: Recovery.Finished) -> Bool
    /// Where complaints about the configuration go.
    func say(_ complaint: Diagnostic)
}

extension ConfiguredCommand {
    func isDone(by finished: Recovery.Finished) -> Bool { false }

    func say(_ complaint: Diagnostic) { StandardError.say("\(complaint)") }

    /// Finishes what a crd that was killed has left half done. Ends with 78 where the configuration
    /// that somebody named is not there: what is in the default one's place is not meant.
    ///
    /// - Returns: whether nothing is left for this one.
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
