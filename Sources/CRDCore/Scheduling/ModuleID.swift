// SPDX-License-Identifier: GPL-3.0-or-later

/// Which module, for as long as the daemon runs: its place in the scheduler's table.
public struct ModuleID: Hashable, Sendable {
    public let index: Int

    public init(_ index: Int) {
        self.index = index
    }
}
