// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDModules
import Glibc

/// `--config`, which works with each command.
struct ConfigurationOption: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: ArgumentHelp(
            "The configuration; else CRD_CONFIG names it, or it is /etc/CRD/crd.conf.",
            valueName: "file"),
        completion: .file())
    var file: String?

    /// The configuration, or the end with 78 (EX_CONFIG, sysexits(3)) and every complaint.
    static func load(_ file: String?) -> ConfigurationFile {
        let configuration = ConfigurationFile(file)
        guard configuration.complaints.isEmpty else {
            for complaint in configuration.complaints { StandardError.say("\(complaint)") }
            Glibc.exit(78)
        }
        return configuration
    }

    func load() -> ConfigurationFile { Self.load(file) }
}
