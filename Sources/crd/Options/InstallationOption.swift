// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser

/// `--install NAME` and `-l LOCATION NAME` in the place of a command: `crd install`, to the parser.
/// The option is for help and completion alone; the parser would take a `-l` of this one for that of
/// every command.
struct InstallationOption: ParsableArguments {
    @Option(
        name: .customLong("install"),
        help: ArgumentHelp("Install this module (see: crd install --help).", valueName: "name"))
    var name: String?

    func validate() throws {
        guard name == nil else {
            throw ValidationError("--install stands in the place of a command")
        }
    }

    /// The arguments with the command in words, where they ask for an installation.
    static func asCommand(_ arguments: ArraySlice<String>) -> ArraySlice<String> {
        guard arguments.first?.hasPrefix("-") == true, arguments.contains(where: isAsking) else {
            return arguments
        }
        // The name may stand anywhere in what follows.
        return ["install"]
            + arguments.filter { $0 != option }.map {
                $0.hasPrefix("\(option)=") ? String($0.dropFirst(option.count + 1)) : $0
            }
    }

    private static let option = "--install"

    private static func isAsking(_ argument: String) -> Bool {
        argument == option || argument.hasPrefix("\(option)=") || argument.hasPrefix("-l")
            || argument == "--location" || argument.hasPrefix("--location=")
    }
}
