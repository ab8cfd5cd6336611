// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import DequeModule

/// The first halves of the latest renames, to be matched with their second halves. The kernel
/// reports the halves one by one, mostly but not always in a row.
struct RenameMemory {
    private static let countMax = 64

    private var departures: Deque<(cookie: UInt32, path: [UInt8])> = []

    /// Remembers the first half of a rename, or looks it up for the second half.
    ///
    /// - Returns: the former path of an arrived name, if its departure was seen.
    mutating func pair(
        _ record: Inotify.Record, of name: UnsafePointer<CChar>, in node: PathNode
    ) -> [UInt8]? {
        guard record.cookie != 0 else { return nil }
        if record.events.contains(.movedTo) {
            return departures.last { $0.cookie == record.cookie }?.path
        }
        if departures.count == Self.countMax { departures.removeFirst() }
        departures.append((record.cookie, node.path(of: name)))
        return nil
    }
}
