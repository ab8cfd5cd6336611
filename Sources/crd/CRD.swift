// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDDaemon
import CRDModules
import Glibc
import SystemPackage

/// The command line.
@main
struct CRD: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crd",
        abstract: "The Condition/Response Daemon.",
        usage: """
            crd [--config FILE] COMMAND [OPTION...]
            crd [--config FILE] -x NAME [ARGUMENT...]
            crd [--config FILE] --install NAME [-l LOCATION] [--ref REF] [--yes]
            crd [--config FILE] -l LOCATION NAME
            """,
        discussion: """
            A module is a directory with two executables: check says by its exit code whether a \
            condition holds (0: it does, 1: it does not), and response does something about it. \
            The daemon runs the checks, and runs a module's response whenever its check exits \
            with 0.

            With -x NAME, crd is replaced by the support module NAME, or by the check of the user \
            module NAME as the daemon would start it; what follows NAME is passed to the module. \
            The exit code is the module's; 127: there is no such module, 126: it cannot be executed.
            """,
        version: "crd \(Version.current)",
        subcommands: [
            DaemonCommand.self, ReloadCommand.self, ListCommand.self, CheckConfigCommand.self,
            InstallCommand.self, UpgradeCommand.self, RemoveCommand.self, VerifyCommand.self,
            SearchCommand.self, NewCommand.self, CheckRepositoryCommand.self, HelperCommand.self,
        ])

    @OptionGroup var execution: ExecutionOption
    @OptionGroup var installation: InstallationOption

    static func main() {
        var arguments = CommandLine.arguments.dropFirst()
        let file = takeConfiguration(from: &arguments)
        fillStandardDescriptors()
        if arguments.first == "-x" { execute(arguments.dropFirst(), file) }
        arguments = RepositoryOption.separated(InstallationOption.asCommand(arguments))
        // The parser expects the option after the command.
        if let file, let command = arguments.popFirst() {
            run([command, configurationOption, file] + arguments)
        } else {
            run(Array(arguments))
        }
    }

    private static func run(_ arguments: [String]) -> Never {
        do {
            var command = try parseAsRoot(arguments)
            if let command = command as? any ConfiguredCommand, try command.recover() { exit() }
            try command.run()
            StandardOutput.flush()
            exit()
        } catch {
            end(with: error)
        }
    }

    /// Ends as the parser would, but makes the message printable: arguments may contain other
    /// people's words.
    private static func end(with error: any Error) -> Never {
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        if code.isSuccess {
            if !text.isEmpty { StandardOutput.say(text: text) }
        } else if !text.isEmpty {
            // The message quotes arguments; the usage text follows it.
            let message = message(for: error)
            let shown =
                message.isEmpty ? text : text.replacing(message, with: PrintableText.of(message))
            StandardError.say(text: shown)
        }
        StandardOutput.flush()
        exit(withError: code)
    }

    /// Opens missing standard descriptors, so that files we open do not take their place. They are
    /// close-on-exec: a module that we execute finds them closed, as they were.
    private static func fillStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
            _ = open("/dev/null", O_RDWR | O_CLOEXEC)
        }
    }

    private static let configurationOption = "--config"

    /// Takes `--config FILE` before the command, as is required before `-x`.
    private static func takeConfiguration(from arguments: inout ArraySlice<String>) -> String? {
        guard let first = arguments.first else { return nil }
        if first == configurationOption, let file = arguments.dropFirst().first {
            arguments = arguments.dropFirst(2)
            return file
        }
        guard first.hasPrefix("\(configurationOption)=") else { return nil }
        arguments = arguments.dropFirst()
        return String(first.dropFirst(configurationOption.count + 1))
    }

    /// Runs `-x` without the parser, which could take the module's arguments for ours.
    private static func execute(_ arguments: ArraySlice<String>, _ file: String?) -> Never {
        guard let name = arguments.first else {
            StandardError.say("-x needs the name of a module: crd -x NAME [ARGUMENT...]")
            Glibc.exit(64)
        }
        let place = Int(CommandLine.argc) - arguments.count
        let configuration = ConfigurationOption.load(file)
        Recovery.finishInterrupted(configuration, console: ModuleConsole.forRecovery)
        let failure = ModuleExecution.become(
            name, argv: CommandLine.unsafeArgv + place, configuration: configuration,
            warn: { StandardError.say($0) })
        StandardError.say(failure.description)
        Glibc.exit(failure.exitCode)
    }
}
