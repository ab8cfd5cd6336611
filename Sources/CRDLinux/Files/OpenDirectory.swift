// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
public import SystemPackage

/// A directory that is held open: operations apply to it wherever its path leads by then
/// (openat(2)).
public struct OpenDirectory: ~Copyable {
    /// The path by which it was opened, for messages.
    public let path: FilePath
    private let descriptor: Descriptor

    private init(_ path: FilePath, adopting rawValue: CInt) {
        self.path = path
        descriptor = Descriptor(adopting: rawValue)
    }

    /// Opens the root directory.
    public static func root() throws(SystemCallError) -> OpenDirectory { try open("/") }

    /// Opens the directory at a path, but not through a symbolic link at its end.
    public static func open(_ path: FilePath) throws(SystemCallError) -> OpenDirectory {
        let descriptor = try systemCall("open", on: path.string) {
            path.withPlatformString { Glibc.open($0, flags) }
        }
        return OpenDirectory(path, adopting: descriptor)
    }

    /// Opens a directory in this one, but not through a symbolic link; `..` is its parent.
    public func open(_ name: FilePath.Component) throws(SystemCallError) -> OpenDirectory {
        let place =
            name.kind == .parentDirectory ? path.removingLastComponent() : path.appending(name)
        let opened = try systemCall("open", on: place.string) {
            name.withPlatformString { openat(descriptor.rawValue, $0, Self.flags) }
        }
        return OpenDirectory(place, adopting: opened)
    }

    /// Opens a directory in this one, unless a file system is mounted on it that may keep us waiting:
    /// a user may mount one on a directory of its own (fusermount3(1)).
    ///
    /// - Throws: `SystemCallError` with EXDEV for such a mount, whose server is not asked.
    public func openUnlessStalling(
        _ name: FilePath.Component
    ) throws(SystemCallError) -> OpenDirectory {
        // With O_PATH, not even the root directory of a mount is read.
        let opened = try open(name)
        guard let mount = opened.mount, mount != self.mount else { return opened }
        guard MountSource.fileSystem(ofMount: mount)?.mayStall == false else {
            throw SystemCallError(
                function: "open", errno: .improperLink, subject: opened.path.string)
        }
        return opened
    }

    /// The number of the mount it is on, as in /proc/self/mountinfo (proc_pid_fdinfo(5)).
    private var mount: Substring? {
        let lines = KernelFile.read("/proc/self/fdinfo/\(descriptor.rawValue)")?.split(
            separator: "\n")
        return lines?.first { $0.hasPrefix("mnt_id:") }?.split(separator: "\t").last
    }

    private static let flags = pathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    /// `O_PATH`, since passing through a directory needs no permission to read it.
    private static let pathOnly: CInt = 0o10_000_000

    /// Makes a directory in this one (mkdirat(2)); one that appeared meanwhile is not an error.
    public func makeDirectory(
        _ name: FilePath.Component, mode: ModeBits
    ) throws(SystemCallError) {
        do throws(SystemCallError) {
            try systemCall("mkdir", on: path.appending(name).string) {
                name.withPlatformString { mkdirat(descriptor.rawValue, $0, mode) }
            }
        } catch let error where error.errno == .fileExists {
            return
        }
    }

    /// Returns the status of this directory (fstat(2)).
    public func status() throws(SystemCallError) -> FileStatus {
        guard let status = FileStatus(of: descriptor.rawValue) else {
            throw SystemCallError(
                function: "fstat", errno: Errno(rawValue: errno), subject: path.string)
        }
        return status
    }

    /// Returns the status of a name in this directory, without following a symbolic link; nil if it
    /// does not exist (fstatat(2)).
    public func status(of name: FilePath.Component) throws(SystemCallError) -> FileStatus? {
        var status = stat()
        do throws(SystemCallError) {
            try systemCall("fstatat", on: path.appending(name).string) {
                name.withPlatformString {
                    fstatat(descriptor.rawValue, $0, &status, AT_SYMLINK_NOFOLLOW)
                }
            }
        } catch let error where error.errno == .noSuchFileOrDirectory {
            return nil
        }
        return FileStatus(status)
    }

    /// Returns the target of a symbolic link in this directory; nil if there is none
    /// (readlinkat(2)).
    public func target(of name: FilePath.Component) -> FilePath? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { text in
            let count = name.withPlatformString {
                readlinkat(descriptor.rawValue, $0, text.baseAddress!, text.count)
            }
            guard count > 0 else { return nil }
            return FilePath(bytes: text[..<count].map { UInt8(bitPattern: $0) })
        }
    }

    /// Gives this directory to a user, with exactly that mode.
    public func give(to owner: UserAccount, mode: ModeBits) throws(SystemCallError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let directory = Descriptor(
            adopting: try systemCall("open", on: path.string) {
                openat(descriptor.rawValue, ".", flags)
            })
        try Directory.give(directory, at: path, to: owner, mode: mode)
    }
}
