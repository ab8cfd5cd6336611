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
        guard arguments.first?.hasPrefix("-") == true,
            let asking = arguments.firstIndex(where: isAsking)
        else { return arguments }
        var rest = Array(arguments[..<asking])
        let option = arguments[asking]
        if option.hasPrefix("--install=") {
            rest.append(String(option.dropFirst("--install=".count)))
        } else if option != "--install" {
            rest.append(option)
        }
        return ["install"] + rest + arguments[(asking + 1)...]
    }

    private static func isAsking(_ argument: String) -> Bool {
        argument == "--install" || argument.hasPrefix("--install=") || argument.hasPrefix("-l")
            || argument == "--location" || argument.hasPrefix("--location=")
    }
}
