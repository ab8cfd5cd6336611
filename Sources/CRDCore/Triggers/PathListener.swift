// SPDX-License-Identifier: GPL-3.0-or-later

/// Whom a path trigger belongs to.
public enum PathListener: Hashable, Codable, Sendable {
    /// The daemon itself, which watches the directories that contain the modules.
    case daemon
    case module(ModuleID)
}

extension PathListener: Comparable {
    /// The daemon precedes the modules.
    public static func < (first: PathListener, second: PathListener) -> Bool {
        first.rank < second.rank
    }

    private var rank: Int {
        switch self {
        case .daemon: -1
        case .module(let module): module.index
        }
    }
}
