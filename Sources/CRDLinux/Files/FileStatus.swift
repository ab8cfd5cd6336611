// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// The parts of a stat(2) result that are needed here.
public struct FileStatus: Hashable, Sendable {
    public enum Kind: Sendable { case regular, directory, symbolicLink, other }

    public let kind: Kind
    public let owner: UID
    /// The permission bits with set-user-ID, set-group-ID and sticky.
    public let mode: ModeBits
    public let device: UInt64
    public let inode: UInt64
    /// When its content was last changed, in microseconds since 1970.
    public let modifiedMicroseconds: Int64
    /// When its content, permissions, owner or name were last changed, in nanoseconds since 1970.
    public let changedNanoseconds: Int64
    /// In bytes.
    public let size: Int64

    /// Reads the status; nil if there is no file, or none that we may see.
    public init?(of path: FilePath, followingLinks: Bool = true) {
        guard let status = try? FileStatus(at: path, followingLinks: followingLinks) else {
            return nil
        }
        self = status
    }

    /// Calls stat(2), or lstat(2).
    public init(at path: FilePath, followingLinks: Bool = true) throws(SystemCallError) {
        var status = stat()
        try systemCall(followingLinks ? "stat" : "lstat", on: path.string) {
            path.withPlatformString { followingLinks ? stat($0, &status) : lstat($0, &status) }
        }
        self.init(status)
    }

    /// Calls fstat(2); nil for a descriptor that is not open.
    public init?(of descriptor: CInt) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    /// Asks the file system itself, bypassing the kernel's cache (statx(2), `AT_STATX_FORCE_SYNC`).
    /// Returns when it has answered, which may be never.
    public static func ask(_ path: [UInt8]) {
        withPath(path) { crd_ask_file_system($0) }
    }

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        owner = status.st_uid
        mode = status.st_mode & 0o7777
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        changedNanoseconds = Self.count(status.st_ctim, of: 1_000_000_000)
        size = Int64(status.st_size)
        modifiedMicroseconds = Self.count(status.st_mtim, of: 1_000_000)
    }

    /// Returns a time in such parts of a second; the largest or smallest number for one that does
    /// not fit, since anybody may give a file of his own any time (utimensat(2)).
    private static func count(_ time: timespec, of parts: Int64) -> Int64 {
        let seconds = Int64(time.tv_sec)
        let (whole, isTooMuch) = seconds.multipliedReportingOverflow(by: parts)
        let (sum, isMore) = whole.addingReportingOverflow(
            Int64(time.tv_nsec) / (1_000_000_000 / parts))
        return isTooMuch || isMore ? (seconds < 0 ? .min : .max) : sum
    }
}

extension FileStatus {
    /// Returns whether the user is root or the daemon's own user.
    static func isTrusted(_ user: UID) -> Bool { user == 0 || user == geteuid() }

    /// Whether any other user may change it.
    var isOthers: Bool { !Self.isTrusted(owner) || mode & 0o022 != 0 }
}
