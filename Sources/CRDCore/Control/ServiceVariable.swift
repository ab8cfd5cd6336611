// SPDX-License-Identifier: GPL-3.0-or-later

/// Environment variables of the service manager that are meant only for the daemon:
/// `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `LISTEN_FDS` and the like (sd_notify(3), sd_listen_fds(3)).
public enum ServiceVariable {
    /// Returns whether the variable is one of them.
    public static func isOne(_ name: some StringProtocol) -> Bool {
        name == "NOTIFY_SOCKET" || ["WATCHDOG_", "LISTEN_"].contains { name.hasPrefix($0) }
    }
}
