// SPDX-License-Identifier: GPL-3.0-or-later

/// What the daemon offers to those who connect to its socket.
protocol ControlHost: AnyObject {
    var listing: ControlInterface.Listing { get }

    /// Reads crd.conf and all modules again.
    ///
    /// - Parameter answer: called afterwards; with nil if the daemon stops instead.
    func reload(_ answer: @escaping (Reloader.Outcome?) -> Void)
}
