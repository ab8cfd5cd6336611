// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDLinux
import CRDModules
import Glibc

/// The terminal, for what changes modules.
enum ModuleConsole {
    static func make(assumesYes: Bool = false) throws -> InstallationConsole {
        var console = InstallationConsole(say: StandardError.say)
        console.interruption = try Interruption()
        console.assumesYes = assumesYes
        console.showsProgress = isatty(STDERR_FILENO) == 1
        if isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 { console.confirm = confirm }
        return console
    }

    /// For what a crd that was killed has left behind: what scripts print must not be taken for what
    /// this one prints.
    static var forRecovery: InstallationConsole {
        var console = InstallationConsole(say: StandardError.say)
        console.output = STDERR_FILENO
        return console
    }

    /// Runs `body`, and ends with 1 and the reason where it fails.
    static func run<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as InstallationFailure {
            StandardError.say(error.description)
            throw ExitCode.failure
        } catch let error as SystemCallError {
            StandardError.say(error.description)
            throw ExitCode.failure
        }
    }

    private static func confirm(_ lines: [String]) -> Bool {
        for line in lines { StandardError.say(line) }
        StandardError.ask("crd: install it? [y/N] ")
        guard let answer = readLine() else { return false }
        return ["y", "yes"].contains(answer.lowercased())
    }
}
