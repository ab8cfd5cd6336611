// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
public import SystemPackage

/// A directory that is held open: what is done in it is done there, wherever its path leads by then
/// (openat(2)).
public struct OpenDirectory: ~Copyable {
    /// As it was reached, for messages.
    public let path: FilePath
    private let descriptor: Descriptor

    private init(_ path: FilePath, adopting rawValue: CInt) {
        self.path = path
        descriptor = Descriptor(adopting: rawValue)
    }

    /// The directory that all absolute paths begin at.
    public static func root() throws(SystemCallError) -> OpenDirectory {
        let path: FilePath = "/"
        let descriptor = try systemCall("open", on: path.string) { Glibc.open("/", flags) }
        return OpenDirectory(path, adopting: descriptor)
    }

    /// Opens a directory in this one, not through a symbolic link; `..` is the one above it.
    public func open(_ name: FilePath.Component) throws(SystemCallError) -> OpenDirectory {
        let place =
            name.kind == .parentDirectory ? path.removingLastComponent() : path.appending(name)
        let opened = try systemCall("open", on: place.string) {
            name.withPlatformString { openat(descriptor.rawValue, $0, Self.flags) }
        }
        return OpenDirectory(place, adopting: opened)
    }

    private static let flags = pathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    /// `O_PATH`, since to go through a directory takes no right to read it.
    private static let pathOnly: CInt = 0o10_000_000

    /// Makes a directory in this one (mkdirat(2)); one that somebody has made meanwhile is as good.
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

    /// What this directory is (fstat(2)).
    public func status() throws(SystemCallError) -> FileStatus {
        guard let status = FileStatus(of: descriptor.rawValue) else {
            throw SystemCallError(
                function: "fstat", errno: Errno(rawValue: errno), subject: path.string)
        }
        return status
    }

    /// What is in this directory under a name, a symbolic link itself; nil where there is nothing
    /// (fstatat(2)).
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

    /// What a symbolic link in this directory says; nil where there is none (readlinkat(2)).
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
