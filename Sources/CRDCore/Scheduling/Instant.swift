// SPDX-License-Identifier: GPL-3.0-or-later

/// A point on the clock that counts from boot and continues while the machine sleeps
/// (`CLOCK_BOOTTIME`, clock_gettime(2)).
///
/// The core never reads that clock: the caller passes the time in.
public struct Instant: InstantProtocol, Hashable, Sendable {
    /// Nanoseconds since boot.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    public static func + (instant: Instant, duration: Duration) -> Instant {
        instant.advanced(by: duration)
    }

    public func advanced(by duration: Duration) -> Instant {
        Instant(nanoseconds: nanoseconds + duration.nanoseconds)
    }

    public func duration(to other: Instant) -> Duration {
        .nanoseconds(other.nanoseconds - nanoseconds)
    }
}
