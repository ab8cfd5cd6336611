// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDDaemon
import CRDLinux
import CRDModules
import Glibc
import Logging

struct DaemonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon",
        abstract: "Run the daemon in the foreground.",
        discussion: """
            SIGTERM or SIGINT stops it: checks end at once, responses get 'grace' to finish. A \
            second signal ends responses at once, too. Exit codes: 0 stopped, 1 it cannot start or \
            continue, 78 the configuration has errors.
            """)

    @OptionGroup var options: ConfigurationOption

    /// The cases of `Logger.Level` that crd uses.
    enum LogLevel: String, ExpressibleByArgument, CaseIterable {
        case debug, info, notice, warning, error
    }

    @Option(help: "The lowest level to log; debug shows each check.")
    var logLevel = LogLevel.info

    func run() throws {
        try Daemon.holdSignals()
        let configuration = options.load()
        let output = LogOutput()
        defer { output.drain() }
        let level = Logger.Level(rawValue: logLevel.rawValue) ?? .info
        LoggingSystem.bootstrap { _ in DaemonLogHandler(output, level: level) }
        let serviceManager = ServiceManager()
        recover(configuration, output, serviceManager)
        do {
            try Daemon(
                configuration, output: output, logger: Logger(label: "crd"),
                serviceManager: serviceManager
            ).run()
        } catch {
            output.write("\(error)", .error, [])
            throw ExitCode.failure
        }
    }

    /// Finishes or undoes an interrupted installation before any module is read.
    private func recover(
        _ configuration: ConfigurationFile, _ output: LogOutput, _ serviceManager: ServiceManager
    ) {
        guard Recovery.isDue(configuration.configuration) else { return }
        let settings = configuration.configuration
        // A rollback may use its whole timeout, followed by its grace period.
        serviceManager.tellStarting(within: (settings.timeout + settings.grace) * 2)
        var console = InstallationConsole { output.write($0, .notice, []) }
        console.output = STDERR_FILENO
        Recovery.finishInterrupted(configuration, console: console)
    }
}
