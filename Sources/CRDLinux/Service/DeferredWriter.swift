// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// A writer that keeps what its reader has no room for, and writes it later.
public protocol DeferredWriter: AnyObject {
    /// The file that needs room; nil while nothing is pending or there is no reader.
    var blocked: SharedDescriptor? { get }
    /// Writes as much as there is room for, at most its share of a turn.
    func flush()
}
