// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CSystemd
import Glibc

/// The service manager, if one started this process and wants to hear of it (sd_notify(3)).
///
/// What it cannot be told is no failure of ours, so that nothing here throws.
public struct ServiceManager: Sendable {
    /// How often it must be told that we are alive, twice as often as it asks for; nil where it does
    /// not ask (sd_watchdog_enabled(3)).
    public let watchdogPeriod: Duration?

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, of which children get none.
    public init() {
        var microseconds: UInt64 = 0
        let isAsked = sd_watchdog_enabled(0, &microseconds) > 0
        watchdogPeriod = isAsked ? .microseconds(Int64(clamping: microseconds / 2)) : nil
    }

    /// - Parameter span: how long it may take, if it is more than systemd gives it.
    public func tellStarting(within span: Duration) {
        tell("STATUS=Starting\nEXTEND_TIMEOUT_USEC=\(span.nanoseconds / 1_000)")
    }

    /// All is armed.
    public func tellReady(_ status: String) { tell("READY=1\nSTATUS=\(status)") }

    /// The files are read again; `tellReady` says that it is done. By the time systemd
    /// tells that this is later than its request (`Type=notify-reload`).
    public func tellReloading() {
        tell("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonicMicroseconds)\nSTATUS=Reloading")
    }

    /// One line for people.
    public func tellStatus(_ status: String) { tell("STATUS=\(status)") }

    /// - Parameter span: how long that may take, if it is more than systemd gives it.
    public func tellStopping(within span: Duration) {
        let microseconds = span.nanoseconds / 1_000
        tell("STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=\(microseconds)")
    }

    public func tellAlive() { tell("WATCHDOG=1") }

    private func tell(_ state: String) { _ = sd_notify(0, state) }
}
