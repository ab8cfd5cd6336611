// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Synchronization

/// Standard error, written to without ever waiting long for whoever reads it.
///
/// It cannot be made non-blocking, since that is a property of the open file, which a terminal's
/// other programs share; so it is asked first whether it takes anything (poll(2)).
public final class StandardErrorStream: Sendable {
    /// How long a line waits for room the first time; while lines are being lost, none waits.
    private static let patience: CInt = 100
    /// As much as a pipe that is ready takes without blocking (pipe(7), `PIPE_BUF`).
    private static let chunk = 4_096

    private let lost = Atomic<Int>(0)

    public init() {}

    /// Writes a line, in one write(2) where it is short, so that lines of several writers do not
    /// mix. A line that finds no room is counted, and the count is told as soon as there is.
    public func write(_ line: [UInt8]) {
        let before = lost.load(ordering: .relaxed)
        guard isReady(within: before == 0 ? Self.patience : 0) else {
            lost.add(1, ordering: .relaxed)
            return
        }
        if before > 0 {
            lost.store(0, ordering: .relaxed)
            put(Array("crd: warning: nobody read here, and \(before) lines were lost\n".utf8))
        }
        put(line)
    }

    private func put(_ line: [UInt8]) {
        var done = 0
        while done < line.count, isReady(within: Self.patience) {
            let count = line.withUnsafeBytes {
                Glibc.write(
                    STDERR_FILENO, $0.baseAddress! + done, min(line.count - done, Self.chunk))
            }
            if count > 0 { done += count } else if errno != EINTR && errno != EAGAIN { return }
        }
    }

    private func isReady(within milliseconds: CInt) -> Bool {
        var request = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }
}
