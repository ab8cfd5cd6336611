// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import Glibc

/// A module's running executable: becomes readable when it has ended (pidfd_open(2)).
public final class ChildSource: EventSource {
    public let module: ModuleID
    private let process: ChildProcess
    private let outputs: [PipeSource]
    private let ended: (End) -> Void

    /// What became of the process.
    public enum End {
        case ended(Termination)
        /// It ended before it was the executable.
        case unstarted(SpawnError)
    }

    /// - Parameters:
    ///   - outputs: drained before the end is told, so that nothing the process printed is missed.
    ///   - ended: called before the event is appended.
    public init(
        _ process: consuming ChildProcess, of module: ModuleID, outputs: [PipeSource],
        ended: @escaping (End) -> Void
    ) {
        self.process = process
        self.module = module
        self.outputs = outputs
        self.ended = ended
    }

    public var pid: PID { process.pid }
    public var descriptor: CInt { process.pidfd.rawValue }
    /// Whoever traces the process keeps us from collecting it (ptrace(2)), for as long as that lasts.
    /// The kernel tells of its end once more then.
    public var interest: Interest { [.readable, .edge] }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        guard let termination = try process.reap() else { return }
        for output in outputs { output.finish() }
        guard let failure = process.startFailure() else {
            ended(.ended(termination))
            return events.append(.exited(module, termination))
        }
        ended(.unstarted(failure))
        events.append(failure.event(of: module))
    }

    /// Ends the process at once and collects it: nobody will watch it.
    public func abandon() {
        process.send(SIGKILL)
        // An error says that it is nobody's child any more, which is as good.
        do throws(SystemCallError) { while try process.reap() == nil { usleep(100) } } catch {}
    }
}
