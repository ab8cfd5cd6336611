// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDModules
import Glibc

/// `--config`, which every command accepts.
struct ConfigurationOption: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: ArgumentHelp(
            "The configuration; the default is what CRD_CONFIG names, or else /etc/CRD/crd.conf.",
            valueName: "file"),
        completion: .file())
    var file: String?

    /// EX_CONFIG of sysexits(3).
    static let isWrong = ExitCode(78)

    /// Returns the configuration; if it has faults, prints them all and exits with 78.
    static func load(_ file: String?) -> ConfigurationFile {
        let configuration = ConfigurationFile.atRest(file)
        guard configuration.complaints.isEmpty else {
            for complaint in configuration.complaints { StandardError.say("\(complaint)") }
            Glibc.exit(isWrong.rawValue)
        }
        return configuration
    }

    func load() -> ConfigurationFile { Self.load(file) }
}
