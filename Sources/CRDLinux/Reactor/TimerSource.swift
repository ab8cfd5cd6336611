// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// One absolute deadline on `CLOCK_BOOTTIME`, which also counts while the machine sleeps
/// (timerfd_create(2)).
public final class TimerSource: EventSource {
    private let timer: Descriptor
    private var armed: Instant?
    private let elapsed: (inout [Event]) -> Void

    /// - Parameter elapsed: called when the deadline is reached.
    public init(
        elapsed: @escaping (inout [Event]) -> Void = { $0.append(.elapsed) }
    ) throws(SystemCallError) {
        self.elapsed = elapsed
        timer = Descriptor(
            adopting: try systemCall("timerfd_create") {
                timerfd_create(
                    CLOCK_BOOTTIME, CInt(TFD_CLOEXEC | TFD_NONBLOCK))
            })
    }

    public var descriptor: CInt { timer.rawValue }

    /// Sets or clears the deadline; costs nothing if it is unchanged.
    public func arm(_ deadline: Instant?) throws(SystemCallError) {
        guard deadline != armed else { return }
        var setting = itimerspec()
        if let deadline {
            // A value of zero would disarm: a deadline before boot is as good as one just after.
            let nanoseconds = max(deadline.nanoseconds, 1)
            setting.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
            setting.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        }
        try systemCall("timerfd_settime") {
            timerfd_settime(timer.rawValue, CInt(TFD_TIMER_ABSTIME), &setting, nil)
        }
        armed = deadline
    }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        var expirations: UInt64 = 0
        do throws(SystemCallError) {
            try systemCall("read", on: "timerfd") { read(timer.rawValue, &expirations, 8) }
        } catch let error where error.errno == .wouldBlock {
            return  // The timer was set again after it became ready.
        }
        armed = nil
        elapsed(&events)
    }
}
