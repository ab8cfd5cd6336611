// SPDX-License-Identifier: GPL-3.0-or-later

/// The owner of a path trigger.
public enum PathListener: Hashable, Codable, Sendable {
    /// The daemon itself, which watches the directories that contain the modules.
    case daemon
    case module(ModuleID)
}

extension PathListener: Comparable {
    /// The daemon precedes the modules.
    public static func < (first: PathListener, second: PathListener) -> Bool {
        switch (first, second) {
        case (.module(let first), .module(let second)): first.index < second.index
        case (.daemon, .module): true
        case (_, .daemon): false
        }
    }
}
