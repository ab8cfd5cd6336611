// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Something that keeps what its reader has no room for, and writes it later.
public protocol DeferredWriter: AnyObject {
    /// The file in which room is needed; nil while nothing is to be written, or nobody could read it.
    var blocked: SharedDescriptor? { get }
    /// Writes what there is room for, and no more than its share of a turn.
    func flush()
}
