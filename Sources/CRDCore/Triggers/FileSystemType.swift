// SPDX-License-Identifier: GPL-3.0-or-later

/// The type of a file system as /proc/self/mountinfo names it: `ext4`, `fuse.sshfs` (proc(5)).
public struct FileSystemType: Hashable, Sendable {
    public let name: String
    /// The only user whose processes may enter it, not even root's (fuse(4)); nil: permissions
    /// decide.
    public let soleUser: UInt32?

    /// - Parameter options: those of the file system, separated by commas.
    public init(_ name: String, options: String = "") {
        self.name = name
        let words = options.split(separator: ",")
        let user = words.first { $0.hasPrefix("user_id=") }?.dropFirst("user_id=".count)
        let isOpen = !Self.isFUSE(name) || words.contains("allow_other")
        soleUser = isOpen ? nil : user.flatMap { UInt32($0) }
    }

    /// Whether the kernel refuses the user's processes, root's included: another user has mounted
    /// it, and not for others.
    public func isClosed(to user: UInt32) -> Bool { soleUser.map { $0 != user } ?? false }

    /// Whether a system call on it may wait for a server, on the network or in user space.
    public var mayStall: Bool {
        Self.isFUSE(name) || Self.remote.contains(name) || name == "autofs"
    }

    /// Whether the kernel makes its files, such as those of /proc: to look at them may take locks of
    /// the processes that they are about.
    public var isMadeByKernel: Bool { Self.kernelMade.contains(name) }

    /// Whether its content changes in ways that inotify(7) does not report.
    public var hidesChanges: Bool {
        isMadeByKernel || Self.remote.contains(name)
            || Self.remoteInUserSpace.contains(name)
    }

    private static func isFUSE(_ name: String) -> Bool {
        name == "fuse" || name == "fuseblk" || name.hasPrefix("fuse.")
    }

    /// File systems whose content other machines change.
    private static let remote: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "lustre", "beegfs",
        "gpfs", "orangefs", "pvfs2", "ncpfs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs",
    ]

    private static let remoteInUserSpace: Set<String> = [
        "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.ceph",
        "fuse.davfs", "fuse.curlftpfs", "fuse.gcsfuse", "fuse.moosefs", "fuse.mfs", "fuse.juicefs",
        "fuse.JuiceFS", "fuse.vmhgfs-fuse", "fuse.hdfs", "fuse.lizardfs", "fuse.smbnetfs",
    ]

    /// File systems whose content the kernel generates when it is read. Control groups are not
    /// among them: the kernel reports changes of their `*.events` files.
    private static let kernelMade: Set<String> = [
        "proc", "sysfs", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "pstore",
        "efivarfs", "selinuxfs", "smackfs", "binfmt_misc", "rpc_pipefs", "nfsd", "fusectl",
        "resctrl", "sockfs",
    ]
}
