// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc

/// The clocks that the shell reads for the core (clock_gettime(2)).
public enum Clock {
    /// The time since boot, including sleep (`CLOCK_BOOTTIME`).
    public static var now: Instant {
        Instant(nanoseconds: read(CLOCK_BOOTTIME))
    }

    /// Nanoseconds since 1970 in UTC (`CLOCK_REALTIME`); may jump.
    public static var realtimeNanoseconds: Int64 { read(CLOCK_REALTIME) }

    /// Microseconds since boot, without sleep, as in the journal (`CLOCK_MONOTONIC`).
    static var monotonicMicroseconds: Int64 { read(CLOCK_MONOTONIC) / 1_000 }

    /// How long the machine has slept since boot, in microseconds.
    static var sleptMicroseconds: Int64 {
        max(0, (read(CLOCK_BOOTTIME) - read(CLOCK_MONOTONIC)) / 1_000)
    }

    /// Nanoseconds of processor time that this thread has used (`CLOCK_THREAD_CPUTIME_ID`). Needs a
    /// system call, unlike the others.
    public static var threadNanoseconds: Int64 { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        // Cannot fail: the newest clock exists since Linux 2.6.39, and the address is valid.
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
