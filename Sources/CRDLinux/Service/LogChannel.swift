// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc
import Synchronization

/// The path of all log lines: as much as the reader has room for is written at once, the rest
/// later. Nothing here blocks, except `finish`.
public final class LogChannel: DeferredWriter, Sendable {
    private struct State: ~Copyable {
        var destination: any LogDestination & Sendable
        var backlog: LineBacklog
        var blocked: SharedDescriptor?
        var retryAt: Instant?
    }

    /// How many lines one turn of the loop writes.
    private static let share = 256
    /// How many lines a call of `write` writes, older ones first.
    private static let shareOfWrite = 16
    /// How long to wait before a retry when there was no reader.
    private static let retryPeriod: Duration = .seconds(1)

    private let state: Mutex<State>

    private init<Destination: LogDestination & Sendable>(_ destination: Destination) {
        let backlog = LineBacklog { Destination.notice(dropped: $0) }
        state = Mutex(State(destination: destination, backlog: backlog))
    }

    /// Returns a channel to journald, which writes entries (`JournalDatagram`).
    public static func journal() -> LogChannel { LogChannel(JournalSocket()) }

    /// Returns a channel to standard error, which writes text that ends with a line feed.
    ///
    /// - Parameter descriptor: another one in tests.
    public static func standardError(_ descriptor: CInt = STDERR_FILENO) -> LogChannel {
        LogChannel(StandardErrorStream(descriptor))
    }

    public func write(_ line: [UInt8]) {
        state.withLock {
            $0.backlog.add(line, at: Clock.now)
            Self.flush(&$0, Self.shareOfWrite)
        }
    }

    /// Counts lines that were dropped before they reached the channel.
    public func drop(_ count: Int) {
        state.withLock { $0.backlog.drop(count) }
    }

    public var blocked: SharedDescriptor? { state.withLock { $0.blocked } }

    public func flush() { state.withLock { Self.flush(&$0, Self.share) } }

    /// Returns when the caller must act though nothing happens: call `retry`, or check `isHolding`.
    public func deadline(at now: Instant) -> Instant? {
        state.withLock { state in
            [state.retryAt, state.backlog.holdsUntil].compactMap(\.self).filter { $0 > now }.min()
        }
    }

    /// Whether modules that print should wait: the reader is behind, but reads.
    public var isHolding: Bool {
        state.withLock { state in state.backlog.holdsUntil.map { $0 > Clock.now } ?? false }
    }

    /// Retries a write that found no reader, if it is time for that.
    public func retry(at now: Instant) {
        state.withLock { state in
            guard let retryAt = state.retryAt, retryAt <= now else { return }
            Self.flush(&state, Self.share)
        }
    }

    /// Writes the rest before the program ends: while the reader reads, for at most five seconds.
    public func drain() {
        let end = Clock.now + .seconds(5)
        while Clock.now < end {
            flush()
            guard let blocked else {
                // Nothing is left, or there is no reader, or a share ended.
                if state.withLock({ $0.backlog.isEmpty || $0.retryAt != nil }) { return }
                continue
            }
            var request = pollfd(fd: blocked.rawValue, events: Int16(POLLOUT), revents: 0)
            let milliseconds = CInt(LineBacklog.patience.nanoseconds / 1_000_000)
            if poll(&request, 1, milliseconds) == 0 { return }
        }
    }

    private static func flush(_ state: inout State, _ linesMax: Int) {
        state.blocked = nil
        state.retryAt = nil
        for _ in 0..<linesMax {
            guard let line = state.backlog.next() else { return }
            switch state.destination.write(line) {
            case .wrote(let count): state.backlog.advance(by: count, at: Clock.now)
            case .full:
                state.blocked = state.destination.file
                return
            case .unreachable:
                state.retryAt = Clock.now + retryPeriod
                return
            case .impossible:
                // Only this line is dropped: the next one may be possible to write.
                return state.backlog.dropFirst()
            }
        }
        // A full share was written, so the reader has room and the next turn comes at once.
        if !state.backlog.isEmpty { state.blocked = state.destination.file }
    }
}
