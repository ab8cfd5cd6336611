// SPDX-License-Identifier: GPL-3.0-or-later

/// Identifies a module while the daemon runs: its index in the scheduler's table.
public struct ModuleID: Hashable, Codable, Sendable {
    public let index: Int

    public init(_ index: Int) {
        self.index = index
    }
}
