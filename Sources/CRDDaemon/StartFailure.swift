// SPDX-License-Identifier: GPL-3.0-or-later

/// Why the daemon could not start, and what to do.
public struct StartFailure: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
