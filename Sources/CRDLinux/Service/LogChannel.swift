// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc
import Synchronization

/// The way of all log lines: what the reader takes is written at once, the rest when there is room.
/// Nothing here waits, except `finish`.
public final class LogChannel: DeferredWriter, Sendable {
    private struct State: ~Copyable {
        var destination: any LogDestination & Sendable
        var backlog: LineBacklog
        var blocked: SharedDescriptor?
        var retryAt: Instant?
    }

    /// Lines that one turn of the loop writes.
    private static let share = 256
    /// Lines that follow one that is written.
    private static let shareOfWrite = 16
    /// How long after nobody was there to read it is tried again.
    private static let retryPeriod: Duration = .seconds(1)

    private let state: Mutex<State>

    private init<Destination: LogDestination & Sendable>(_ destination: Destination) {
        let backlog = LineBacklog { Destination.notice(dropped: $0) }
        state = Mutex(State(destination: destination, backlog: backlog))
    }

    /// To journald, as entries (`JournalDatagram`).
    public static func journal() -> LogChannel { LogChannel(JournalSocket()) }

    /// To standard error, as text that ends with a line feed.
    ///
    /// - Parameter descriptor: in tests another than that.
    public static func standardError(_ descriptor: CInt = STDERR_FILENO) -> LogChannel {
        LogChannel(StandardErrorStream(descriptor))
    }

    public func write(_ line: [UInt8]) {
        state.withLock {
            $0.backlog.add(line, at: Clock.now)
            Self.flush(&$0, Self.shareOfWrite)
        }
    }

    /// Counts lines that would have been written.
    public func drop(_ count: Int) {
        state.withLock { $0.backlog.drop(count) }
    }

    public var blocked: SharedDescriptor? { state.withLock { $0.blocked } }

    public func flush() { state.withLock { Self.flush(&$0, Self.share) } }

    /// When something is to be done though nothing happens: `flush`, or to look at `isHolding`.
    public func deadline(at now: Instant) -> Instant? {
        state.withLock { state in
            [state.retryAt, state.backlog.holdsUntil].compactMap(\.self).filter { $0 > now }.min()
        }
    }

    /// Whether modules that print had better wait: the reader is behind, but reads.
    public var isHolding: Bool {
        state.withLock { state in state.backlog.holdsUntil.map { $0 > Clock.now } ?? false }
    }

    /// Writes again where nobody was there to read, if it is time for that.
    public func retry(at now: Instant) {
        state.withLock { state in
            guard let retryAt = state.retryAt, retryAt <= now else { return }
            Self.flush(&state, Self.share)
        }
    }

    /// Writes the rest, since the program ends: for as long as somebody reads, up to five seconds.
    public func finish() {
        let end = Clock.now + .seconds(5)
        while Clock.now < end {
            flush()
            guard let blocked else {
                // Either nothing is left, or nobody is there, or this was a share.
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
            case .wrote(let count): state.backlog.take(count, at: Clock.now)
            case .full:
                state.blocked = state.destination.file
                return
            case .unreachable:
                state.retryAt = Clock.now + retryPeriod
                return
            case .impossible:
                // Tried again by the next line, which may find that it has become possible.
                return state.backlog.dropFirst()
            }
        }
        // More than a share: the reader has room, so that the next turn comes at once.
        if !state.backlog.isEmpty { state.blocked = state.destination.file }
    }
}
