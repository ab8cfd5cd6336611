// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux

/// What a check prints, kept for its response up to a limit.
final class CapturedOutput: OutputSink {
    private(set) var bytes: [UInt8] = []
    /// How many bytes found no room.
    private(set) var dropped = 0
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    func receive(_ received: UnsafeRawBufferPointer) {
        let kept = min(received.count, limit - bytes.count)
        bytes.append(contentsOf: received[..<kept])
        dropped += received.count - kept
    }

    func finish() {}
}
