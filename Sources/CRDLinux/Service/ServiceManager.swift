// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CSystemd
import Glibc

/// The service manager, if one started this process and wants notifications (sd_notify(3)).
///
/// A service manager that does not read blocks nothing. Messages without room are kept, the newest
/// of each kind, until `WriterReadiness` reports room. Nothing here throws, since an undelivered
/// notification is not a failure of ours.
public final class ServiceManager: DeferredWriter {
    /// How often to report that we are alive, twice as often as required; nil if it is not required
    /// (sd_watchdog_enabled(3)).
    public let watchdogPeriod: Duration?
    private var socket: DatagramSocket?
    private var pending = PendingNotifications()
    public private(set) var blocked: SharedDescriptor?

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, which children do not get.
    public init() {
        var microseconds: UInt64 = 0
        let isAsked = sd_watchdog_enabled(0, &microseconds) > 0
        watchdogPeriod = isAsked ? .microseconds(Int64(clamping: microseconds / 2)) : nil
        socket = getenv("NOTIFY_SOCKET").map { DatagramSocket(String(cString: $0)) }
    }

    /// Reports that the start is in progress.
    ///
    /// - Parameter span: how long it may take, if longer than systemd allows.
    public func tellStarting(within span: Duration) { tell(.starting(within: span)) }

    /// Reports that all triggers are armed.
    public func tellReady(_ status: String) { tell(.ready(status: status)) }

    /// Reports that the files are being read again; `tellReady` reports the end. The timestamp
    /// shows systemd that this follows its request (`Type=notify-reload`).
    public func tellReloading() { tell(.reloading(microseconds: Clock.monotonicMicroseconds)) }

    /// Reports one line of status for people.
    public func tellStatus(_ status: String) { tell(.status(status)) }

    /// Reports that the daemon is stopping.
    ///
    /// - Parameter span: how long it may take, if longer than systemd allows.
    public func tellStopping(within span: Duration) { tell(.stopping(within: span)) }

    public func tellAlive() { tell(.alive) }

    private func tell(_ message: ServiceNotification) {
        guard socket != nil else { return }
        pending.add(message)
        flush()
    }

    /// Sends the messages that there is room for. Without a receiver, the next message retries.
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
