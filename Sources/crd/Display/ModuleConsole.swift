// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDDaemon
import CRDLinux
import CRDModules
import Glibc
import SystemPackage

/// The terminal during changes of modules.
enum ModuleConsole {
    static func make(
        _ file: ConfigurationFile, assumesYes: Bool = false
    ) throws -> InstallationConsole {
        // Files created here must be readable by the roles' users, whatever umask was inherited.
        umask(0o022)
        let interruption = try InterruptSignals()
        var console = InstallationConsole { StandardError.say($0, unless: interruption) }
        console.interruption = interruption
        console.runUnderWay = { runUnderWay($0, file.configuration.socketPath) }
        console.assumesYes = assumesYes
        console.showsProgress = isatty(STDERR_FILENO) == 1
        if isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 {
            console.confirm = { confirm($0, unless: interruption) }
        }
        return console
    }

    /// A console for the recovery of an interrupted change. Script output goes to standard error,
    /// so that it is not taken for the command's output.
    static var forRecovery: InstallationConsole {
        var console = InstallationConsole { StandardError.say($0) }
        console.output = STDERR_FILENO
        return console
    }

    /// Runs `body`; if it fails, prints the reason and exits with 1.
    static func run<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as InstallationFailure {
            StandardError.say(lines: error.lines)
            throw ExitCode.failure
        } catch let error as SystemCallError {
            StandardError.say(error.description)
            throw ExitCode.failure
        }
    }

    private static func runUnderWay(_ name: ModuleName, _ socket: FilePath) -> Int? {
        let listing = try? ControlClient.list(at: socket, patience: patience)
        let module = listing?.modules.first { $0.name == name.description }
        return module.flatMap { ["checking", "responding"].contains($0.state) ? $0.runs : nil }
    }

    /// In seconds. A daemon that takes longer is ignored.
    private static let patience = 5

    private static func confirm(_ lines: [String], unless interruption: InterruptSignals) -> Bool {
        for line in lines { StandardError.say(line) }
        // Discards input typed before the question was shown.
        tcflush(STDIN_FILENO, TCIFLUSH)
        StandardError.ask("crd: install it? [y/N] ")
        var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        while poll(&input, 1, 100) <= 0 {
            guard interruption.signal == nil else { return false }
        }
        guard let answer = readLine() else { return false }
        return ["y", "yes"].contains(answer.lowercased())
    }
}
