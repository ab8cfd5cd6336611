// SPDX-License-Identifier: GPL-3.0-or-later

/// A receiver of a child's output.
public protocol OutputSink: AnyObject {
    func receive(_ bytes: UnsafeRawBufferPointer)
    /// Called when no more output will come.
    func outputHasEnded()
    /// Whether it should receive nothing more for the moment.
    var isFull: Bool { get }
}

extension OutputSink {
    public var isFull: Bool { false }
}
