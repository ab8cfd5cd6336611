// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore

extension ModuleName: ExpressibleByArgument {
    /// One that a directory which is looked at may have.
    public init?(argument: String) {
        guard !ModuleName.isSkipped(argument) else { return nil }
        self.init(argument)
    }
}

/// How a module is named on the command line.
enum ModuleArgument {
    static let help = ArgumentHelp("The module's name.", valueName: "name")
    static let completion = CompletionKind.custom { words, _, _ in
        ExecutionOption.moduleNames(words)
    }
}
