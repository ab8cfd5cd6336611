// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDModules

/// A command that reads crd.conf, and so knows whether a change of modules was interrupted.
protocol ConfiguredCommand: ParsableCommand {
    var options: ConfigurationOption { get }
}

extension ConfiguredCommand {
    /// Finishes what a crd that was killed has left half done.
    func recover() {
        let file = ConfigurationFile(options.file)
        guard file.isReadable else { return }
        Recovery.finishInterrupted(file, console: ModuleConsole.forRecovery)
    }
}
