// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// The scripts that prepare the system for a module and undo that. The raw value is the file's
/// name.
public enum ModuleScript: String, CaseIterable {
    case install, rollback

    /// The directory, the module and the operation of a script's run.
    struct Setting {
        /// The script's working directory, which contains the module.
        var directory: FilePath
        /// The module's directory after the installation, or before the removal.
        var target: FilePath
        var name: String
        /// The id by which a later crd finds the processes of a killed one.
        var runID: String
        /// `install`, `upgrade` or `remove`; `restore` for the old version after a failed upgrade.
        var operation: String
        var state: FilePath
        var manifest: Manifest
        var configuration: ConfigurationFile
    }

    struct Outcome {
        var ending: ForegroundProgram.Ending
        /// The last lines of its output.
        var lines: [String]

        var isGood: Bool { ending == .ended(.exited(0)) }

        /// Completes "install ...".
        var story: String {
            switch ending {
            case .ended(let termination): termination.predicate
            case .timedOut(let timeout):
                "took longer than \(TimeSpan(timeout)) and was ended; to allow more time, set "
                    + "'timeout' in [install] of its module.toml, or 'timeout' in crd.conf"
            case .interrupted, .cut: "was interrupted"
            }
        }
    }

    /// Runs the script to its end and shows its output; returns nil if the module does not have it.
    ///
    /// A script that cannot start, or that others could change, counts as ended with 126, as in a
    /// shell.
    func run(_ setting: Setting, _ console: InstallationConsole) -> Outcome? {
        let path = setting.directory.appending(rawValue)
        guard FileStatus(of: path, followingLinks: false) != nil else { return nil }
        do throws(FileRefusal) {
            try verify(in: setting.directory)
        } catch {
            return Outcome(ending: .ended(.exited(126)), lines: ["\(error)"])
        }
        let settings = setting.configuration.configuration
        let program = ForegroundProgram(
            path: path.string, environment: environment(setting),
            directory: setting.directory.string,
            timeout: setting.manifest.installTimeout ?? settings.timeout, grace: settings.grace,
            keepsLeftovers: setting.manifest.leftovers == .keep)
        let end = OutputTail()
        do {
            let ending = try program.run(
                output: EchoSink(
                    to: console.output, keeping: end, unless: console.interruption),
                errors: EchoSink(
                    to: console.errors, keeping: end, unless: console.interruption),
                interruption: console.isUndoing ? nil : console.interruption)
            return Outcome(ending: ending, lines: end.lines)
        } catch {
            return Outcome(ending: .ended(.exited(126)), lines: ["\(error)"])
        }
    }

    /// Verifies that only trusted users could change the script (G13).
    ///
    /// - Throws: `FileRefusal`, with the remedy.
    func verify(in directory: FilePath) throws(FileRefusal) {
        let rule = OwnershipRule()
        try rule.verify(directory)
        try rule.verify(lastOf: directory.appending(rawValue))
    }

    private func environment(_ setting: Setting) -> CStringBlock {
        var block = CommonEnvironment.block(
            for: .daemon, setting.manifest.environment, setting.configuration)
        let variables = [
            "CRD_MODULE": setting.name, "CRD_ROLE": rawValue, "CRD_RUN": setting.runID,
            "CRD_TRIGGER": Cause.request.rawValue, "CRD_STATE": setting.state.string,
            "CRD_EVENT_COUNT": "0", "CRD_EVENT_DROPPED": "0",
            "CRD_OPERATION": setting.operation, "CRD_DIRECTORY": setting.target.string,
        ]
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) { block.append(name, value) }
        return block
    }
}
