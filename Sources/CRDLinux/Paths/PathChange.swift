// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Why a path may mean something else than before.
enum PathChange {
    /// A record about one of the names on the path.
    struct Entry {
        let node: PathNode
        let events: PathEvents
        let isDirectory: Bool
        let from: [UInt8]?

        var isDeparture: Bool { !events.isDisjoint(with: .departures) }
    }

    /// A change that needs no event: the module is checked anyhow.
    case nothing
    case entry(Entry)
    case vanished
    case mounted
    case unmounted

    var isNothing: Bool {
        if case .nothing = self { true } else { false }
    }
}
