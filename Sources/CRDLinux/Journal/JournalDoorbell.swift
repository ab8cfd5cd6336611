// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc

/// Rings when journald goes to sleep: by then it has written all that it received.
///
/// A context switch of its process, told by the kernel (perf_event_open(2)): journald's own
/// announcement comes a quarter of a second later, and looking again and again would never let the
/// machine rest. A switch in the middle of its work rings too, and finds nothing.
public final class JournalDoorbell: EventSource {
    private let bell: crd_bell
    private let rung: (inout [Event]) -> Void

    /// Hangs it, not armed.
    ///
    /// - Parameter rung: called when it has rung.
    /// - Throws: without CAP_PERFMON, and where the kernel has no such events.
    public init(
        at journald: PID, rung: @escaping (inout [Event]) -> Void
    ) throws(SystemCallError) {
        var bell = crd_bell()
        try systemCall("perf_event_open", on: "journald, process \(journald)") {
            crd_bell_hang(&bell, journald)
        }
        self.bell = bell
        self.rung = rung
    }

    deinit {
        withUnsafePointer(to: bell) { crd_bell_take_down($0) }
    }

    public var descriptor: CInt { bell.fd }
    /// A bell that has rung stays ready for as long as it is not armed again.
    public var interest: Interest { [.readable, .edge] }

    /// For one ring; before that has come, for one more. To be followed by a look: what was written before that does not ring.
    public func arm() throws(SystemCallError) {
        try systemCall("ioctl", on: "the bell at journald") {
            withUnsafePointer(to: bell) { crd_bell_arm($0) }
        }
    }

    public func drain(into events: inout [Event]) {
        rung(&events)
    }
}
