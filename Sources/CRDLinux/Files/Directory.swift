// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// Directories and their entries.
public enum Directory {
    /// Returns the names in a directory, without `.` and `..`, unsorted; none if it cannot be read.
    public static func entries(of path: FilePath) -> [FilePath.Component] {
        (try? list(path)) ?? []
    }

    /// Returns the names in a directory, without `.` and `..`, unsorted (readdir(3)).
    public static func list(_ path: FilePath) throws(SystemCallError) -> [FilePath.Component] {
        guard let directory = path.withPlatformString({ opendir($0) }) else {
            throw SystemCallError(
                function: "opendir", errno: Errno(rawValue: errno), subject: path.string)
        }
        let stream = DirectoryStream(adopting: directory)
        var names: [FilePath.Component] = []
        while stream.next({ name, _ in
            FilePath.Component(platformString: name).map { names.append($0) }
        }) {}
        return names
    }

    /// Calls `body` for each entry of a directory, without `.` and `..`, unsorted. A path that
    /// contains a symbolic link counts as missing.
    static func visit(
        _ path: [UInt8], _ body: (UnsafePointer<CChar>, DirectoryStream.EntryKind) -> Void
    ) throws(SystemCallError) {
        let stream = try DirectoryStream(path)
        while stream.next(body) {}
    }

    /// Makes a directory that does not exist yet (mkdir(2)).
    public static func makeNew(_ path: FilePath, mode: ModeBits) throws(SystemCallError) {
        try systemCall("mkdir", on: path.string) { path.withPlatformString { mkdir($0, mode) } }
    }

    /// Makes a directory and its missing parents (mkdir(2)).
    public static func make(_ path: FilePath, mode: ModeBits) throws(SystemCallError) {
        let result = path.withPlatformString { mkdir($0, mode) }
        if result == 0 { return }
        let code = Errno(rawValue: errno)
        if code == .noSuchFileOrDirectory && !path.removingLastComponent().isEmpty {
            try make(path.removingLastComponent(), mode: 0o755)
            return try make(path, mode: mode)
        }
        if code == .fileExists && FileStatus(of: path)?.kind == .directory { return }
        throw SystemCallError(function: "mkdir", errno: code, subject: path.string)
    }

    /// Makes a directory that belongs to one user alone, or gives an existing one to that user.
    public static func makePrivate(
        _ path: FilePath, owner: UserAccount, mode: ModeBits = 0o700
    ) throws(SystemCallError) {
        try make(path, mode: mode)
        // Not through a link: the directory's former owner could point it elsewhere.
        let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try give(directory, at: path, to: owner, mode: mode)
    }

    /// Gives an open directory to a user, with exactly that mode (fchown(2), fchmod(2)).
    static func give(
        _ directory: borrowing Descriptor, at path: FilePath, to owner: UserAccount, mode: ModeBits
    ) throws(SystemCallError) {
        var status = stat()
        try systemCall("fstat", on: path.string) { fstat(directory.rawValue, &status) }
        if status.st_uid != owner.uid || (geteuid() == 0 && status.st_gid != owner.gid) {
            try systemCall("fchown", on: path.string) {
                fchown(directory.rawValue, owner.uid, owner.gid)
            }
        }
        if status.st_mode & 0o7777 != mode {
            try systemCall("fchmod", on: path.string) { fchmod(directory.rawValue, mode) }
        }
    }
}
