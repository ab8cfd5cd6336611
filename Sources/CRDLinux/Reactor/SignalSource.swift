// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// The daemon's own signals as readiness (signalfd(2)).
public final class SignalSource: EventSource {
    /// A received signal.
    public struct Received: Sendable {
        public let number: CInt
        public let pid: PID
        public let uid: UID
        /// The value sent along by sigqueue(3), if any.
        public let value: CInt?
    }

    /// `SIGRTMIN` to `SIGRTMAX`, which glibc decides at run time.
    public static let realTime = __libc_current_sigrtmin()...__libc_current_sigrtmax()

    private let signals: Descriptor
    private let receive: (Received) -> Void

    /// Blocks the signals, so that they stay pending for this process until a source takes them
    /// (sigprocmask(2)).
    public static func block(_ numbers: [CInt]) throws(SystemCallError) {
        var set = set(of: numbers)
        try systemCall("sigprocmask") { sigprocmask(SIG_BLOCK, &set, nil) }
    }

    /// Unblocks the signals (sigprocmask(2)).
    static func unblock(_ numbers: [CInt]) {
        var set = set(of: numbers)
        sigprocmask(SIG_UNBLOCK, &set, nil)
    }

    private static func set(of numbers: [CInt]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        return set
    }

    /// Blocks the signals for this process and receives them instead (signalfd(2)).
    ///
    /// - Parameter receive: called for each signal, in the order of arrival.
    public init(
        _ numbers: [CInt], receive: @escaping (Received) -> Void
    ) throws(SystemCallError) {
        try Self.block(numbers)
        var set = Self.set(of: numbers)
        signals = Descriptor(
            adopting: try systemCall("signalfd") {
                signalfd(-1, &set, CInt(SFD_CLOEXEC | SFD_NONBLOCK))
            })
        self.receive = receive
    }

    public var descriptor: CInt { signals.rawValue }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        // Signals that do not fit keep the descriptor ready for the next turn.
        let size = MemoryLayout<signalfd_siginfo>.stride
        try withUnsafeTemporaryAllocation(of: signalfd_siginfo.self, capacity: Self.share) {
            records throws(SystemCallError) in
            let count: Int
            do throws(SystemCallError) {
                count = try systemCall("read", on: "signalfd") {
                    read(signals.rawValue, records.baseAddress!, size * records.count)
                }
            } catch let error where error.errno == .wouldBlock {
                return
            }
            for record in records[..<(count / size)] {
                receive(
                    Received(
                        number: CInt(record.ssi_signo), pid: PID(record.ssi_pid),
                        uid: record.ssi_uid,
                        value: record.ssi_code == SI_QUEUE ? record.ssi_int : nil))
            }
        }
    }

    /// How many signals one turn reads.
    private static let share = 64
}

extension TriggerSignal {
    /// The kernel's number; glibc reserves the first real-time signals (signal(7)).
    public var number: CInt {
        switch self {
        case .user1: SIGUSR1
        case .user2: SIGUSR2
        case .realTime(let offset): SignalSource.realTime.lowerBound + CInt(offset)
        }
    }
}
