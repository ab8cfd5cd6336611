// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// A directory and everything below it. Symbolic links are never followed.
public enum FileTree {
    /// A name below the directory.
    public struct Entry: Sendable {
        /// Relative to the directory, such as `lib/common.sh`.
        public let path: FilePath
        public let status: FileStatus
    }

    /// How many levels deep a tree may be.
    private static let depthMax = 64

    /// Returns everything in the directory, each directory before its entries, sorted by name.
    ///
    /// - Parameter entersDirectory: whether to enter a directory.
    /// - Throws: `SystemCallError` for a directory that cannot be read or is too deep (`ELOOP`).
    public static func entries(
        of directory: FilePath, entersDirectory: (FilePath) -> Bool = { _ in true }
    ) throws(SystemCallError) -> [Entry] {
        var found: [Entry] = []
        try visit(directory, FilePath(), 0, entersDirectory, &found)
        return found
    }

    private static func visit(
        _ directory: FilePath, _ prefix: FilePath, _ depth: Int,
        _ entersDirectory: (FilePath) -> Bool, _ found: inout [Entry]
    ) throws(SystemCallError) {
        guard depth < depthMax else {
            throw SystemCallError(
                function: "opendir", errno: .tooManySymbolicLinkLevels, subject: directory.string)
        }
        for name in try Directory.list(directory).sorted(by: { $0.string < $1.string }) {
            let full = directory.appending(name)
            let path = prefix.appending(name)
            let status = try FileStatus(at: full, followingLinks: false)
            found.append(Entry(path: path, status: status))
            if status.kind == .directory && entersDirectory(path) {
                try visit(full, path, depth + 1, entersDirectory, &found)
            }
        }
    }

    /// Removes the directory with everything in it, or the file (unlinkat(2)). A missing one is not
    /// an error.
    ///
    /// Each directory is opened from the one above it, so its owner cannot make us remove something
    /// elsewhere. File systems mounted in it are not touched (`EXDEV`).
    public static func remove(_ path: FilePath) throws(SystemCallError) {
        guard let name = path.lastComponent else { return }
        let parent: Descriptor
        do throws(SystemCallError) {
            parent = try Descriptor.open(
                path.removingLastComponent(), O_RDONLY | O_DIRECTORY)
        } catch let error where error.errno == .noSuchFileOrDirectory {
            return
        }
        try remove(name, in: parent.rawValue, path, 0)
    }

    private static func remove(
        _ name: FilePath.Component, in parent: CInt, _ path: FilePath, _ depth: Int
    ) throws(SystemCallError) {
        let descriptor = name.withPlatformString { crd_open_directory(parent, $0) }
        if descriptor == -1 {
            let code = Errno(rawValue: errno)
            if code == .noSuchFileOrDirectory { return }
            guard code == .notDirectory || code == .tooManySymbolicLinkLevels else {
                throw SystemCallError(function: "openat2", errno: code, subject: path.string)
            }
            try systemCall("unlinkat", on: path.string) {
                name.withPlatformString { unlinkat(parent, $0, 0) }
            }
            return
        }
        let directory = Descriptor(adopting: descriptor)
        for inner in try names(in: directory, path) {
            guard depth < depthMax else {
                throw SystemCallError(
                    function: "openat2", errno: .tooManySymbolicLinkLevels, subject: path.string)
            }
            try remove(inner, in: directory.rawValue, path.appending(inner), depth + 1)
        }
        try systemCall("unlinkat", on: path.string) {
            name.withPlatformString { unlinkat(parent, $0, AT_REMOVEDIR) }
        }
    }

    private static func names(
        in directory: borrowing Descriptor, _ path: FilePath
    ) throws(SystemCallError) -> [FilePath.Component] {
        try Directory.list(FilePath("/proc/self/fd/\(directory.rawValue)"))
    }

    /// Checks that the file, or the target of the link, is inside the directory (openat2(2),
    /// `RESOLVE_BENEATH`).
    ///
    /// - Throws: `EXDEV` if it is outside, `ENOENT` if there is nothing.
    public static func checkThat(
        _ path: FilePath, staysIn directory: FilePath
    ) throws(SystemCallError) {
        let root = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY)
        try systemCall("openat2", on: path.string) {
            path.withPlatformString { crd_stays_beneath(root.rawValue, $0) }
        }
    }

    /// Waits until all data written to the directory's file system is on disk (syncfs(2)).
    public static func sync(_ directory: FilePath) throws(SystemCallError) {
        let root = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY)
        try systemCall("syncfs", on: directory.string) { crd_syncfs(root.rawValue) }
    }
}
