// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore

/// Reports the end of a process that is not our child (pidfd_open(2)).
public final class ProcessSource: EventSource {
    public let pid: PID
    private let pidfd: Descriptor
    private let ended: (inout [Event]) -> Void
    public private(set) var isFinished = false

    /// - Parameter ended: called once, when the process has ended.
    public init(_ pid: PID, ended: @escaping (inout [Event]) -> Void) throws(SystemCallError) {
        pidfd = Descriptor(
            adopting: try systemCall("pidfd_open", on: "process \(pid)") { crd_pidfd_open(pid) })
        self.pid = pid
        self.ended = ended
    }

    public var descriptor: CInt { pidfd.rawValue }

    public func drain(into events: inout [Event]) {
        isFinished = true
        ended(&events)
    }
}
