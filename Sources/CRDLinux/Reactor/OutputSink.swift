// SPDX-License-Identifier: GPL-3.0-or-later

/// What takes in a child's output.
public protocol OutputSink: AnyObject {
    func receive(_ bytes: UnsafeRawBufferPointer)
    /// No more will come.
    func finish()
    /// Had better get nothing more for the moment.
    var isFull: Bool { get }
}

extension OutputSink {
    public var isFull: Bool { false }
}
