// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
public import SystemPackage

/// A failed start of a process: the step, the reason, and the remedy.
public struct SpawnError: Error, CustomStringConvertible {
    let step: crd_spawn_step
    public let errno: Errno
    let path: String
    let directory: String
    /// The user that the executable was to run as, if not our own.
    let user: String?
    /// The limit that is reached; looked up at once, before another process ends.
    let limit: String?

    init(step: crd_spawn_step, errno: Errno, path: String, directory: String, user: String?) {
        self.step = step
        self.errno = errno
        self.path = path
        self.directory = directory
        self.user = user
        let isRefused = step == CRD_SPAWN_CLONE && errno == .resourceTemporarilyUnavailable
        limit = isRefused ? ProcessLimit().remedy : nil
    }

    init(_ spawn: crd_spawn, _ request: ChildProcess.Request) {
        self.init(
            step: spawn.step, errno: Errno(rawValue: spawn.error), path: request.path,
            directory: request.directory, user: request.user?.name)
    }

    /// Returns the event for the module that the executable belongs to.
    public func event(of module: ModuleID) -> Event {
        errno == .textFileBusy
            ? .notReady(module, reason: description) : .unable(module, reason: description)
    }

    /// Whether everything was prepared, and the kernel refused to execute the file.
    public var isOfExecutable: Bool { step == CRD_SPAWN_EXEC }

    public var description: String {
        switch (step, errno) {
        case (CRD_SPAWN_EXEC, .execFormatError):
            "\(path) \(ExecutableHead.unknownFormat)"
        case (CRD_SPAWN_EXEC, .noSuchFileOrDirectory):
            "\(path) cannot be executed: it, or the interpreter its #! line names, is not there; "
                + "check that line for the path and for a carriage return at its end"
        case (CRD_SPAWN_EXEC, .permissionDenied):
            "\(path) may not be executed; chmod +x it, and see that its file system is not mounted "
                + "noexec and that the user it runs as may enter its directories"
        case (CRD_SPAWN_EXEC, .textFileBusy):
            "\(path) is still being written"
        case (CRD_SPAWN_CHDIR, _):
            "chdir '\(directory)': \(errno)"
        case (CRD_SPAWN_CLONE, .resourceTemporarilyUnavailable):
            "no further process can be started: \(errno); \(limit ?? "")"
        case (CRD_SPAWN_EXEC, .resourceTemporarilyUnavailable),
            (CRD_SPAWN_SETUID, .resourceTemporarilyUnavailable):
            "\(path) cannot be started: \(user ?? "its user") has as many processes as it may "
                + "have\(ProcessLimit.softMax.map { " (\($0))" } ?? ""); raise LimitNPROC= in "
                + "crd.service, or end some of them"
        case (CRD_SPAWN_EXEC, .argListTooLong):
            "\(path) cannot be started: its arguments and its environment are too large; "
                + "shorten 'environment' in module.toml, or match less with named groups"
        case (CRD_SPAWN_KEYRING, .diskQuotaExceeded):
            "\(path) cannot be started: no session keyring can be made for it; raise the sysctl "
                + "kernel.keys.root_maxkeys (kernel.keys.maxkeys if crd does not run as root)"
        case (_, .noMemory):
            "\(path) cannot be started: \(errno); raise MemoryMax= in crd.service, or free memory: "
                + "lower 'slots' in crd.conf"
        case (_, .tooManyOpenFiles):
            "\(path) cannot be started: \(errno); raise LimitNOFILE= in crd.service, or lower "
                + "'slots' in crd.conf"
        case (_, .tooManyOpenFilesInSystem):
            "\(path) cannot be started: \(errno); raise the sysctl fs.file-max"
        default:
            "\(function) '\(path)': \(errno)"
        }
    }

    private var function: String {
        switch step {
        case CRD_SPAWN_CLONE: "clone"
        case CRD_SPAWN_SETSID: "setsid"
        case CRD_SPAWN_SIGNALS: "rt_sigprocmask"
        case CRD_SPAWN_LIMIT: "prlimit"
        case CRD_SPAWN_KEYRING: "keyctl"
        case CRD_SPAWN_SETGROUPS: "setgroups"
        case CRD_SPAWN_SETGID: "setgid"
        case CRD_SPAWN_SETUID: "setuid"
        case CRD_SPAWN_PDEATHSIG: "prctl"
        case CRD_SPAWN_DUP: "dup3"
        default: "execve"
        }
    }
}
