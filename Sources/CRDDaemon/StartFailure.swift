// SPDX-License-Identifier: GPL-3.0-or-later

/// Why the daemon could not start, with the remedy.
public struct StartFailure: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
