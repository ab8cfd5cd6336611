// SPDX-License-Identifier: GPL-3.0-or-later

/// What a child prints, kept up to a limit: its beginning.
public final class CaptureSink: OutputSink {
    public private(set) var bytes: [UInt8] = []
    /// How many bytes found no room.
    public private(set) var dropped = 0
    private let limit: Int

    public init(limit: Int) {
        self.limit = limit
    }

    public func receive(_ received: UnsafeRawBufferPointer) {
        let kept = min(received.count, limit - bytes.count)
        bytes.append(contentsOf: received[..<kept])
        dropped += received.count - kept
    }

    public func finish() {}
}
