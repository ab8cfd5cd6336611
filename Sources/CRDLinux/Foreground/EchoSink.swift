// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// A child's output, shown as it arrives; its end is kept for a message.
public final class EchoSink: OutputSink {
    private let descriptor: CInt?
    private let end: OutputTail?
    private let interruption: InterruptSignals?

    /// The bytes that a pipe accepts without blocking once poll(2) reports room (PIPE_BUF,
    /// pipe(7)).
    private static let share = 4_096

    /// - Parameters:
    ///   - descriptor: where to show the output; nil for nowhere.
    ///   - interruption: once it has a signal, a reader that does not read is no longer waited for.
    public init(
        to descriptor: CInt?, keeping end: OutputTail? = nil,
        unless interruption: InterruptSignals? = nil
    ) {
        self.descriptor = descriptor
        self.end = end
        self.interruption = interruption
    }

    public func receive(_ bytes: UnsafeRawBufferPointer) {
        end?.append(bytes)
        guard let descriptor else { return }
        var done = 0
        while done < bytes.count, isTaken(descriptor) {
            let room = min(bytes.count - done, Self.share)
            let count = write(descriptor, bytes.baseAddress! + done, room)
            // A reader that went away is not a reason to stop in the middle.
            if count <= 0 && errno != EINTR { return }
            done += max(count, 0)
        }
    }

    /// Waits until the reader has room; returns false after an interruption.
    private func isTaken(_ descriptor: CInt) -> Bool {
        guard let interruption else { return true }
        var output = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&output, 1, 100) <= 0 {
            if interruption.signal != nil { return false }
        }
        return true
    }

    public func outputHasEnded() {}
}
