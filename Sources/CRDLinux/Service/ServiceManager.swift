// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CSystemd
import Glibc

/// The service manager, if one started this process and wants notifications (sd_notify(3)).
///
/// A service manager that does not read holds nobody: messages without room are kept, the newest of
/// each kind, until `WriterReadiness` reports room. Nothing here throws, since a message that cannot be
/// delivered is not a failure of ours.
public final class ServiceManager: DeferredWriter {
    /// How often it must be told that we are alive, twice as often as it asks for; nil where it does
    /// not ask (sd_watchdog_enabled(3)).
    public let watchdogPeriod: Duration?
    private var socket: DatagramSocket?
    private var pending = PendingNotifications()
    public private(set) var blocked: SharedDescriptor?

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, of which children get none.
    public init() {
        var microseconds: UInt64 = 0
        let isAsked = sd_watchdog_enabled(0, &microseconds) > 0
        watchdogPeriod = isAsked ? .microseconds(Int64(clamping: microseconds / 2)) : nil
        socket = getenv("NOTIFY_SOCKET").map { DatagramSocket(String(cString: $0)) }
    }

    /// - Parameter span: how long it may take, if it is more than systemd gives it.
    public func tellStarting(within span: Duration) { tell(.starting(within: span)) }

    /// All is armed.
    public func tellReady(_ status: String) { tell(.ready(status: status)) }

    /// The files are read again; `tellReady` says that it is done. By the time systemd
    /// tells that this is later than its request (`Type=notify-reload`).
    public func tellReloading() { tell(.reloading(microseconds: Clock.monotonicMicroseconds)) }

    /// One line for people.
    public func tellStatus(_ status: String) { tell(.status(status)) }

    /// - Parameter span: how long that may take, if it is more than systemd gives it.
    public func tellStopping(within span: Duration) { tell(.stopping(within: span)) }

    public func tellAlive() { tell(.alive) }

    private func tell(_ message: ServiceNotification) {
        guard socket != nil else { return }
        pending.add(message)
        flush()
    }

    /// Sends what there is room for. With nobody at the address, the next message tries again.
    public func flush() {
        blocked = nil
        while let message = pending.messages.first {
            switch socket?.send(Array(message.text.utf8)[...]) {
            case .full:
                blocked = socket?.file
                return
            case .unreachable, nil: return
            // A message too long for the socket would never be sent.
            case .sent, .tooLong: pending.removeFirst()
            }
        }
    }
}
