// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDModules
import Glibc

struct NewCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Create a module that works immediately, as a starting point.",
        discussion: """
            Without --path, --journal or --signal it is checked only periodically. Each of them may be \
            given several times. Exit codes: 0 created, 1 not created.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "A support module, for crd -x.")
    var support = false

    @Option(
        help: ArgumentHelp("Check when something changes there.", valueName: "path"),
        completion: .file(), transform: absolute)
    var path: [String] = []

    @Option(
        help: ArgumentHelp("Check when this systemd unit logs something.", valueName: "unit"),
        transform: unitName)
    var journal: [UnitName] = []

    @Option(
        help: ArgumentHelp(
            "Check when the daemon receives this signal: USR1, USR2, RTMIN+0 to RTMAX-0.",
            valueName: "signal"))
    var signal: [String] = []

    @Argument(help: ModuleArgument.help, transform: ModuleArgument.parse)
    var name: ModuleName

    func validate() throws {
        if support && !(path.isEmpty && journal.isEmpty && signal.isEmpty) {
            throw ValidationError(
                "a support module runs only when it is called, and has no triggers: leave out "
                    + "--path, --journal and --signal")
        }
    }

    func run() throws {
        let file = options.load()
        let template =
            support
            ? ModuleTemplate(supportModule: name)
            : ModuleTemplate(
                userModule: name, paths: path, units: journal, signals: signal)
        let directory = try ModuleConsole.run {
            try template.write(file, console: ModuleConsole.make(file))
        }
        StandardOutput.say("made \(directory)")
        if !support && !file.configuration.autoReload {
            StandardError.say("'auto-reload' is off: run crd reload to activate it")
        }
    }

    private static func unitName(_ text: String) throws -> UnitName {
        if let name = UnitName(text) { return name }
        throw ValidationError(
            "'\(PrintableText.of(text))' cannot be a unit's name; systemctl list-units shows those that "
                + "exist")
    }

    private static func absolute(_ path: String) throws -> String {
        guard !path.isEmpty else { throw ValidationError("the path is empty") }
        guard !path.contains("\u{fffd}") else {
            throw ValidationError("the path is not UTF-8, but module.toml must be")
        }
        guard !path.hasPrefix("/"), let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return "\(String(cString: directory))/\(path)"
    }
}
