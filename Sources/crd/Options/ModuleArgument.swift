// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore

/// The module name as a command line argument.
enum ModuleArgument {
    static let help = ArgumentHelp("The module's name.", valueName: "name")
    static let completion = CompletionKind.custom { words, _, _ in
        ExecutionOption.moduleNames(words)
    }

    /// Parses a module's name.
    ///
    /// - Throws: `ValidationError` if the daemon would not look at a directory of that name.
    static func parse(_ text: String) throws -> ModuleName {
        if let name = ModuleName(text), !ModuleName.isSkipped(text) { return name }
        throw ValidationError(
            "'\(PrintableText.of(text))' cannot be a module's name; a name has \(ModuleName.rule), "
                + "and does not end in '.bak' or '.dpkg-…'")
    }
}
