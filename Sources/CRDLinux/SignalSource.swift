// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// The daemon's own signals as readiness (signalfd(2)).
public final class SignalSource: EventSource {
    /// A signal as it came.
    public struct Received: Sendable {
        public let number: CInt
        public let pid: PID
        public let uid: UID
    }

    /// `SIGRTMIN` to `SIGRTMAX`, which glibc decides at run time.
    public static let realTime = __libc_current_sigrtmin()...__libc_current_sigrtmax()

    private let signals: Descriptor
    private let receive: (Received) -> Void

    /// Blocks the signals for this process and takes them over (sigprocmask(2)).
    ///
    /// - Parameter receive: called for each signal, in the order they came.
    public init(
        _ numbers: [CInt], receive: @escaping (Received) -> Void
    ) throws(SystemCallError) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        try systemCall("sigprocmask") { sigprocmask(SIG_BLOCK, &set, nil) }
        signals = Descriptor(
            adopting: try systemCall("signalfd") {
                signalfd(-1, &set, CInt(SFD_CLOEXEC | SFD_NONBLOCK))
            })
        self.receive = receive
    }

    public var descriptor: CInt { signals.rawValue }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        // What does not fit keeps the descriptor ready for the next turn.
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
                        uid: record.ssi_uid))
            }
        }
    }

    /// How many signals one turn takes.
    private static let share = 64
}
