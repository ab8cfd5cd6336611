// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser

/// `--install NAME` and `-l LOCATION NAME` instead of a command; the parser gets `crd install`.
/// This option exists only for help and completion. `-l` is not declared here, since the parser
/// would take every command's `-l` for it.
struct InstallationOption: ParsableArguments {
    @Option(
        name: .customLong("install"),
        help: ArgumentHelp("Install this module (see: crd install --help).", valueName: "name"))
    var name: String?

    func validate() throws {
        guard name == nil else {
            throw ValidationError(
                "--install takes the place of a command; leave out one of the two")
        }
    }

    /// Returns the arguments with `install` as their command, if they ask for an installation.
    static func asCommand(_ arguments: ArraySlice<String>) -> ArraySlice<String> {
        guard arguments.first?.hasPrefix("-") == true, arguments.contains(where: isAsking) else {
            return arguments
        }
        // The name may follow anywhere.
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
