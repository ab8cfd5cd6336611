// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// What a child prints, shown as it comes, and its end kept for a message.
public final class PassedOutput: OutputSink {
    private let descriptor: CInt?
    private let end: OutputEnd?
    private let interruption: Interruption?

    /// What a pipe takes without waiting where poll(2) says that it takes anything (PIPE_BUF, pipe(7)).
    private static let share = 4_096

    /// - Parameters:
    ///   - descriptor: where it is shown; nil for nowhere.
    ///   - interruption: after which a reader that does not read is not waited for.
    public init(
        to descriptor: CInt?, keeping end: OutputEnd? = nil,
        unless interruption: Interruption? = nil
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
            // A reader that went away is no reason to stop in the middle.
            if count <= 0 && errno != EINTR { return }
            done += max(count, 0)
        }
    }

    /// Waits until the reader reads.
    private func isTaken(_ descriptor: CInt) -> Bool {
        guard let interruption else { return true }
        var output = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&output, 1, 100) <= 0 {
            if interruption.signal != nil { return false }
        }
        return true
    }

    public func finish() {}
}

/// The last few lines of all that was printed, whichever way.
public final class OutputEnd {
    private static let bytesMax = 4_096
    private static let linesMax = 20
    private var bytes: [UInt8] = []

    public init() {}

    func append(_ received: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: received)
        if bytes.count > 2 * Self.bytesMax { bytes.removeFirst(bytes.count - Self.bytesMax) }
    }

    /// Without control characters, which would command the terminal once more.
    public var lines: [String] {
        bytes.suffix(Self.bytesMax).split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            .suffix(Self.linesMax)
            .map { line in
                let words = line.split(
                    separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
                return words.map { PlainText.of(String(decoding: $0, as: UTF8.self)) }
                    .joined(separator: "\t")
            }
    }
}
