// SPDX-License-Identifier: GPL-3.0-or-later

public import SystemPackage

/// A failed system call: the function, its object, the reason, and the remedy.
public struct SystemCallError: Error, CustomStringConvertible {
    public let function: StaticString
    /// Read before anything else could change it.
    public let errno: Errno
    /// The object of the call: a path, a module's name, a signal.
    public let subject: String

    public init(function: StaticString, errno: Errno, subject: String) {
        self.function = function
        self.errno = errno
        self.subject = subject
    }

    private var hint: String? {
        switch (function.description, errno) {
        case ("inotify_add_watch", .noSpace): "raise the sysctl fs.inotify.max_user_watches"
        case ("inotify_init1", .tooManyOpenFiles):
            "raise the sysctl fs.inotify.max_user_instances, or LimitNOFILE= in crd.service"
        case ("inotify_add_watch", .fileNameTooLong):
            "the path is longer than the kernel accepts; shorten it, or exclude it"
        case ("inotify_add_watch", .permissionDenied): "run crd as a user who may read it"
        case ("sd_journal_get_fd", .tooManyOpenFiles), ("sd_journal_process", .tooManyOpenFiles):
            "raise the sysctl fs.inotify.max_user_instances, or LimitNOFILE= in crd.service"
        case ("epoll_ctl", .noSpace): "raise the sysctl fs.epoll.max_user_watches"
        case ("mkdir", .resourceTemporarilyUnavailable):
            "raise cgroup.max.descendants of the cgroup that it is in"
        case (_, .noMemory): "raise MemoryMax= in crd.service, or free memory"
        case (_, .readOnlyFileSystem): "mount that file system for writing"
        case (_, .tooManyOpenFiles): "raise LimitNOFILE= in crd.service"
        case (_, .tooManyOpenFilesInSystem): "raise the sysctl fs.file-max"
        case (_, .noSpace): "free some space on that file system"
        case ("open", .permissionDenied), ("opendir", .permissionDenied):
            "run crd as a user who may read it"
        case ("open", .improperLink): "unmount the file system that is mounted there"
        case ("bind", .addressInUse): "remove it if no crd is running"
        case ("connect", .resourceTemporarilyUnavailable):
            "somebody who may connect keeps its queue full; find out who with: ss -xp"
        default: nil
        }
    }

    public var description: String {
        let text = subject.isEmpty ? "\(function): \(errno)" : "\(function) '\(subject)': \(errno)"
        return hint.map { "\(text); \($0)" } ?? text
    }
}

extension SystemCallError {
    /// The file was replaced or removed in the meantime. A record reports that, now or later.
    var meansNothingThere: Bool {
        [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels].contains(errno)
    }
}
