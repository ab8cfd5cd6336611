// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules

struct SearchCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Search the repository's modules by name and description.",
        discussion: """
            Exit codes: 0 found, 1 nothing found, or the repository cannot be read.
            """)

    @OptionGroup var options: ConfigurationOption
    @OptionGroup var repository: RepositoryOption

    @Flag(help: "Print JSON: [{\"name\": …, \"kind\": …, \"description\": …}, …].")
    var json = false

    @Argument(
        help: ArgumentHelp("Part of a name or description; without it, all.", valueName: "term"))
    var term = ""

    func run() throws {
        let file = options.load()
        let location = try repository.location(file)
        let reference = try repository.reference() ?? .head
        let found = try ModuleConsole.run {
            try RepositorySearch.search(
                term, in: location, at: reference, try ModuleConsole.make(file))
        }
        if json {
            try JSONOutput.write(found)
        } else {
            let width = found.map(\.name.count).max() ?? 0
            for module in found {
                let space = String(repeating: " ", count: width - module.name.count)
                StandardOutput.say(
                    "\(module.name)\(space)  \(module.kind.rawValue)  \(module.description ?? "")")
            }
        }
        if found.isEmpty {
            StandardError.say(
                term.isEmpty
                    ? "there is no module in \(location)"
                    : "nothing in \(location) has '\(term)' in its name or description")
            throw ExitCode.failure
        }
    }
}
