// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore

/// How a module is named on the command line.
enum ModuleArgument {
    static let help = ArgumentHelp("The module's name.", valueName: "name")
    static let completion = CompletionKind.custom { words, _, _ in
        ExecutionOption.moduleNames(words)
    }

    /// - Throws: `ValidationError` for what no directory that is looked at is called.
    static func parse(_ text: String) throws -> ModuleName {
        if let name = ModuleName(text), !ModuleName.isSkipped(text) { return name }
        throw ValidationError(
            "'\(PrintableText.of(text))' cannot be a module's name: at most \(ModuleName.lengthMax) "
                + "letters, digits, '.', '_' and '-', a letter or digit first, and not ending in "
                + "'.bak' or '.dpkg-…'")
    }
}
