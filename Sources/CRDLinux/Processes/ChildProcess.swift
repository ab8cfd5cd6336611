// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
import SystemPackage

/// A process that we started. Its pidfd ensures that no signal reaches another process with a
/// reused number.
public struct ChildProcess: ~Copyable {
    public let pid: PID
    public let pidfd: Descriptor
    /// Nil if `spawn` returned only after the child's execve(2).
    private let report: StartReport?

    /// The executable to start, its settings and its user.
    public struct Request {
        public var path: String
        /// The arguments after the path.
        public var arguments: [String]
        public var environment: CStringBlock
        /// The working directory.
        public var directory: String
        /// They become the child's 0, 1, 2 and 3, and must be blocking, a state shared by all
        /// copies.
        public var descriptors: (CInt, CInt, CInt, CInt)
        /// The user to run as; nil to keep our own.
        public var user: UserAccount?
        /// The directory of a cgroup2 cgroup to start in.
        public var cgroup: CInt?
        /// The soft limit of open files to restore, if ours was raised.
        public var openFiles: UInt64?
        /// The mark that the child and all its descendants inherit; see `ProcessMark`.
        public var mark: ProcessMark?

        public init(
            path: String, arguments: [String] = [], environment: CStringBlock, directory: String,
            descriptors: (CInt, CInt, CInt, CInt), user: UserAccount? = nil,
            cgroup: CInt? = nil, openFiles: UInt64? = nil, mark: ProcessMark? = nil
        ) {
            self.path = path
            self.arguments = arguments
            self.environment = environment
            self.directory = directory
            self.descriptors = descriptors
            self.user = user
            self.cgroup = cgroup
            self.openFiles = openFiles
            self.mark = mark
        }
    }

    /// The signals that we ignore, which children must not. Read once: the daemon does not change
    /// them after its start.
    private static let ignoredSignals = crd_ignored_signals()

    /// Raises this process's soft limit of open files to the hard limit: a run needs up to eight
    /// descriptors.
    ///
    /// - Returns: the former soft limit, for `Request.openFiles`; nil if nothing was changed.
    public static func raiseOpenFiles() -> UInt64? {
        let former = crd_raise_open_files()
        return former == 0 ? nil : former
    }

    /// Sets whether descendants that lose their parent become children of this process (prctl(2),
    /// `PR_SET_CHILD_SUBREAPER`).
    ///
    /// - Returns: whether they did before.
    @discardableResult
    public static func adoptOrphans(_ adopts: Bool = true) throws(SystemCallError) -> Bool {
        try systemCall("prctl") { crd_set_subreaper(adopts) } == 1
    }

    /// Starts a process in a new session; see `crd_spawn` for everything that is set in it.
    ///
    /// - Parameter letGo: called before a user that the request names has a process: it closes what
    ///   that user could make us wait for. Without a user the child may be running already.
    /// - Throws: `SpawnError`, also for failures in the child, including execve(2). If the request
    ///   names a user, that user could delay the child; then `startFailure` reports these failures.
    public static func spawn(
        _ request: Request, letGo: () -> Void = {}
    ) throws(SpawnError) -> ChildProcess {
        var spawn = crd_spawn()
        var arguments = CStringBlock([request.path] + request.arguments)
        let pid = arguments.withPointers { argv in
            fill(&spawn, request, argv) { crd_spawn(&$0) }
        }
        guard pid > 0 else { throw SpawnError(spawn, request) }
        letGo()
        if spawn.gate >= 0 { _ = Descriptor(adopting: spawn.gate) }
        let report =
            spawn.report < 0 ? nil : StartReport(Descriptor(adopting: spawn.report), request)
        return ChildProcess(pid: pid, pidfd: Descriptor(adopting: spawn.pidfd), report: report)
    }

    /// Replaces this program by the requested one, set up as `spawn` would do it (execve(2)). It
    /// keeps our session and cgroup, and gets no parent-death signal.
    ///
    /// - Parameter argv: null-terminated, used instead of the request's arguments; its first entry
    ///   is overwritten.
    /// - Returns: only on failure.
    public static func become(
        _ request: Request, argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    ) -> SpawnError {
        var spawn = crd_spawn()
        _ = request.path.withCString { path in
            argv[0] = UnsafeMutablePointer(mutating: path)
            return fill(&spawn, request, argv) { crd_become(&$0) }
        }
        return SpawnError(spawn, request)
    }

    /// Calls `body` with the request in C.
    private static func fill(
        _ spawn: inout crd_spawn, _ request: Request,
        _ argv: UnsafePointer<UnsafeMutablePointer<CChar>?>, _ body: (inout crd_spawn) -> PID
    ) -> PID {
        spawn.descriptors = request.descriptors
        spawn.cgroup = request.cgroup ?? -1
        spawn.ignored_signals = ignoredSignals
        spawn.open_files = request.openFiles ?? 0
        spawn.mark = request.mark?.rawValue ?? 0
        if let user = request.user {
            spawn.switches_user = true
            spawn.uid = user.uid
            spawn.gid = user.gid
        }
        let groups = request.user?.groups ?? []
        spawn.group_count = groups.count
        var environment = request.environment
        return request.path.withCString { path in
            request.directory.withCString { directory in
                groups.withUnsafeBufferPointer { groups in
                    environment.withPointers { envp in
                        spawn.path = path
                        spawn.directory = directory
                        spawn.groups = groups.baseAddress
                        spawn.argv = argv
                        spawn.envp = envp
                        return body(&spawn)
                    }
                }
            }
        }
    }

    /// Sends a signal to this process alone (pidfd_send_signal(2)); a process that has ended is not
    /// an error.
    public borrowing func send(_ signal: CInt) {
        _ = crd_pidfd_send_signal(pidfd.rawValue, signal)
    }

    /// Returns why a child that has ended could not be started, if it was to run as another user.
    /// Nil if it was started, and for all other children.
    public borrowing func startFailure() -> SpawnError? {
        switch report {
        case .some(let report): report.failure()
        case .none: nil
        }
    }

    /// Collects how the child ended, or returns nil if it has not (waitid(2), `P_PIDFD`).
    public borrowing func reap() throws(SystemCallError) -> Termination? {
        var code: CInt = 0
        var status: CInt = 0
        let result = try systemCall("waitid", on: "\(pid)") {
            crd_pidfd_reap(pidfd.rawValue, &code, &status)
        }
        guard result == 1 else { return nil }
        return code == CLD_EXITED
            ? .exited(UInt8(truncatingIfNeeded: status)) : .signaled(status)
    }

    /// Kills a process that nothing will watch, and collects it if that takes no more than a moment.
    public borrowing func abandon() {
        send(SIGKILL)
        do throws(SystemCallError) {
            for _ in 0..<100 {
                if try reap() != nil { return }
                usleep(100)
            }
        } catch {
            // The process is not our child any more, which is as good.
        }
    }
}

/// The pipe on which a child reports why it could not be started, with details for the message.
private struct StartReport: ~Copyable {
    private let pipe: Descriptor
    private let path: String
    private let directory: String
    private let user: String?

    init(_ pipe: consuming Descriptor, _ request: ChildProcess.Request) {
        self.pipe = pipe
        path = request.path
        directory = request.directory
        user = request.user?.name
    }

    borrowing func failure() -> SpawnError? {
        var step = CRD_SPAWN_CLONE
        var error: CInt = 0
        guard crd_spawn_failure(pipe.rawValue, &step, &error) else { return nil }
        return SpawnError(
            step: step, errno: Errno(rawValue: error), path: path, directory: directory, user: user)
    }
}
