// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDModules

/// A command that reads crd.conf, and so knows whether a change of modules was interrupted.
protocol ConfiguredCommand: ParsableCommand {
    var options: ConfigurationOption { get }
    /// Whether what was left half done was this command, given once more.
    func isDone(by finished: Recovery.Finished) -> Bool
}

extension ConfiguredCommand {
    func isDone(by finished: Recovery.Finished) -> Bool { false }

    /// Finishes what a crd that was killed has left half done.
    ///
    /// - Returns: whether nothing is left for this one.
    func recover() -> Bool {
        let file = ConfigurationFile(options.file)
        guard file.isReadable else { return false }
        return Recovery.finishInterrupted(file, console: ModuleConsole.forRecovery)
            .map(isDone(by:)) ?? false
    }
}
