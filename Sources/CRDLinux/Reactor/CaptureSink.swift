// SPDX-License-Identifier: GPL-3.0-or-later

/// The beginning of a child's output, up to a limit.
public final class CaptureSink: OutputSink {
    public private(set) var bytes: [UInt8] = []
    /// How many bytes were beyond the limit.
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

    public func outputHasEnded() {}
}
