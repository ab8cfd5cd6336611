// SPDX-License-Identifier: GPL-3.0-or-later

/// A message for the service manager (sd_notify(3)).
public enum ServiceNotification: Sendable, Equatable {
    /// The start may take this long.
    case starting(within: Duration)
    /// Everything is armed or reloaded; the text is one line for people.
    case ready(status: String)
    /// A reload begins, at this time of the monotonic clock.
    case reloading(microseconds: Int64)
    case status(String)
    /// The stop may take this long.
    case stopping(within: Duration)
    /// The daemon's loop runs, for the watchdog.
    case alive

    public var text: String {
        switch self {
        case .starting(let span):
            "STATUS=Starting\nEXTEND_TIMEOUT_USEC=\(span.nanoseconds / 1_000)"
        case .ready(let status): "READY=1\nSTATUS=\(status)"
        case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)\nSTATUS=Reloading"
        case .status(let status): "STATUS=\(status)"
        case .stopping(let span):
            "STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=\(span.nanoseconds / 1_000)"
        case .alive: "WATCHDOG=1"
        }
    }

    /// Returns whether this message makes an earlier one obsolete.
    func replaces(_ earlier: ServiceNotification) -> Bool {
        switch (earlier, self) {
        case (.starting, .starting), (.ready, .ready), (.reloading, .reloading),
            (.stopping, .stopping), (.alive, .alive):
            true
        case (.status, .alive): false
        // Every other message carries a status of its own.
        case (.status, _): true
        default: false
        }
    }
}
