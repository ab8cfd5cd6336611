// SPDX-License-Identifier: GPL-3.0-or-later

/// Why modules were not changed, and what to do.
public struct InstallationFailure: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
