// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc

/// Rings when journald goes to sleep: by then it has written everything that it received.
///
/// The kernel reports the context switch of its process (perf_event_open(2)). journald's own
/// announcement comes a quarter of a second later, and polling would never let the machine idle. A
/// switch in the middle of journald's work also rings; the read then finds nothing.
public final class JournalDoorbell: EventSource {
    private let bell: crd_bell
    private let rung: (inout [Event]) -> Void

    /// Opens the event, not armed.
    ///
    /// - Parameter rung: called when it rings.
    /// - Throws: `SystemCallError` without CAP_PERFMON, or if the kernel has no such events.
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
    /// After a ring the descriptor stays ready until the bell is armed again.
    public var interest: Interest { [.readable, .edge] }

    /// Arms one ring; if one is still armed, one more. Read the journal afterwards: earlier entries
    /// do not ring.
    public func arm() throws(SystemCallError) {
        try systemCall("ioctl", on: "the doorbell at journald") {
            withUnsafePointer(to: bell) { crd_bell_arm($0) }
        }
    }

    public func drain(into events: inout [Event]) {
        rung(&events)
    }
}
