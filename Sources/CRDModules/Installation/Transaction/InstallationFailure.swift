// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Why modules were not changed, and the remedy.
public struct InstallationFailure: Error, CustomStringConvertible {
    /// The lines of the message.
    public let lines: [String]

    init(_ sentence: String) {
        self.init(lines: [sentence])
    }

    init(lines: [String]) {
        self.lines = lines
    }

    /// The text with each line made printable by itself, so that a name cannot add a line.
    public var description: String { lines.map(PrintableText.of).joined(separator: "\n") }

    /// Returns the lines of any error.
    static func lines(of error: any Error) -> [String] {
        (error as? InstallationFailure)?.lines ?? ["\(error)"]
    }

    init(takenName name: ModuleName) {
        self.init(
            "no support module can be called \(name): an executable of that name means something else "
                + "in a module")
    }
}
