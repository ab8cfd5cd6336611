// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Why modules were not changed, and what to do.
public struct InstallationFailure: Error, CustomStringConvertible {
    /// One for each line that it is shown on.
    public let lines: [String]

    init(_ sentence: String) {
        self.init(lines: [sentence])
    }

    init(lines: [String]) {
        self.lines = lines
    }

    /// Each line by itself is plain, so that no name in it makes another line.
    public var description: String { lines.map(PrintableText.of).joined(separator: "\n") }

    /// Whatever went wrong, by lines.
    static func lines(of error: any Error) -> [String] {
        (error as? InstallationFailure)?.lines ?? ["\(error)"]
    }

    init(takenName name: ModuleName) {
        self.init(
            "no support module can be called \(name): an executable of that name means something else "
                + "in a module")
    }
}
