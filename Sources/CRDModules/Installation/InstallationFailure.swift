// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Why modules were not changed, and what to do.
public struct InstallationFailure: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }

    init(takenName name: ModuleName) {
        self.init(
            "no support module can be called \(name): an executable of that name means something else "
                + "in a module")
    }
}
