// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc

/// A child process: becomes readable when it has ended (pidfd_open(2)).
public final class ChildSource: EventSource {
    private let process: ChildProcess
    private let outputs: [PipeSource]
    private let ended: (End, inout [Event]) -> Void

    /// How the process ended.
    public enum End {
        case ended(Termination)
        /// It ended before its execve(2) succeeded.
        case unstarted(SpawnError)
    }

    /// - Parameters:
    ///   - outputs: drained before the end is reported, so that no output of the process is missed.
    ///   - ended: called once, with the events of the turn.
    public init(
        _ process: consuming ChildProcess, outputs: [PipeSource],
        ended: @escaping (End, inout [Event]) -> Void
    ) {
        self.process = process
        self.outputs = outputs
        self.ended = ended
    }

    public var pid: PID { process.pid }
    public var descriptor: CInt { process.pidfd.rawValue }
    /// While a tracer is attached to the process, we cannot collect it (ptrace(2)). The kernel
    /// reports its end once more afterwards.
    public var interest: Interest { [.readable, .edge] }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        guard let termination = try process.reap() else { return }
        for output in outputs { output.readRest() }
        ended(process.startFailure().map(End.unstarted) ?? .ended(termination), &events)
    }

    /// Kills the process and collects it: it will not be watched.
    public func abandon() {
        process.abandon()
    }
}
