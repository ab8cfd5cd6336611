// SPDX-License-Identifier: GPL-3.0-or-later

/// How new entries of the journal are noticed: `journal-wake` in crd.conf.
public enum JournalWake: Hashable, Sendable {
    /// The doorbell; where it is not available, polling every 20 ms.
    case auto
    /// A kernel event when journald goes to sleep, having written all that it received.
    case doorbell
    /// journald's own notification, which it delays on purpose.
    case notify
    /// Polling at this interval.
    case every(Duration)

    /// How often to poll where the doorbell is not available.
    public static let fallbackPeriod = Duration.milliseconds(20)
}
