// SPDX-License-Identifier: GPL-3.0-or-later

/// How new entries of the journal are noticed: `journal-wake` in crd.conf.
public enum JournalWake: Hashable, Sendable {
    /// The doorbell; where it cannot be had, a look every 20 ms.
    case auto
    /// An event of the kernel's when journald goes to sleep: it has written all it received then.
    case doorbell
    /// journald's own announcement, which comes late on purpose.
    case notify
    /// A look that often.
    case every(Duration)

    /// How often to look where the doorbell cannot be had.
    public static let fallbackPeriod = Duration.milliseconds(20)
}

extension TOMLFormat where Value == JournalWake {
    static let journalWake = TOMLFormat<Duration>.span(.shortest ... .seconds(60))
        .map { JournalWake.every($0) }
        .or("notify", .notify)
        .or("doorbell", .doorbell)
        .or("auto", .auto)
}
