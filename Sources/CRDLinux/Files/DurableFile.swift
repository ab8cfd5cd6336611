// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// Moves of files that are seen as a whole or not at all (rename(2)).
public enum DurableFile {
    /// Gives a file or a directory another name, which nothing has (`RENAME_NOREPLACE`).
    public static func move(_ path: FilePath, to new: FilePath) throws(SystemCallError) {
        try systemCall("rename", on: "\(path)' to '\(new)") {
            path.withPlatformString { from in
                new.withPlatformString { to in
                    let result = crd_rename_new(from, to)
                    // Some file systems know no flags.
                    guard result == -1, errno == EINVAL, access(to, F_OK) == -1 else {
                        return result
                    }
                    return rename(from, to)
                }
            }
        }
    }

    /// The same; false where the new name lies on another file system (`EXDEV`).
    public static func moveWithinFileSystem(
        _ path: FilePath, to new: FilePath
    ) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            try move(path, to: new)
            return true
        } catch {
            guard error.errno == .improperLink else { throw error }
            return false
        }
    }

    /// Has two directories take each other's place (`RENAME_EXCHANGE`).
    ///
    /// - Returns: false where the file system cannot do that.
    public static func exchange(_ one: FilePath, _ other: FilePath) throws(SystemCallError) -> Bool
    {
        do throws(SystemCallError) {
            try systemCall("rename", on: "\(one)' with '\(other)") {
                one.withPlatformString { one in
                    other.withPlatformString { crd_rename_exchange(one, $0) }
                }
            }
            return true
        } catch {
            guard [.invalidArgument, .noFunction, .notSupported].contains(error.errno) else {
                throw error
            }
            return false
        }
    }

    /// Writes a file of root's alone in the place of one that may be there, and waits until it is on
    /// the disk: whatever happens, there is the old one or the new one (fsync(2)).
    public static func replace(_ path: FilePath, with bytes: [UInt8]) throws(SystemCallError) {
        let new = unfinished(path)
        do {
            let file = try Descriptor.open(new, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try file.writeAll(bytes, subject: new.string)
            try systemCall("fsync", on: new.string) { fsync(file.rawValue) }
        }
        try systemCall("rename", on: path.string) {
            new.withPlatformString { new in path.withPlatformString { rename(new, $0) } }
        }
        try settle(path.removingLastComponent())
    }

    /// What `replace` has written before it is in its place.
    public static func unfinished(_ path: FilePath) -> FilePath { FilePath("\(path).new") }

    /// Removes a file, for good (unlink(2), fsync(2)); one that is not there is as good.
    public static func forget(_ path: FilePath) throws(SystemCallError) {
        do throws(SystemCallError) {
            try systemCall("unlink", on: path.string) { path.withPlatformString { unlink($0) } }
        } catch let error where error.errno == .noSuchFileOrDirectory {
            return
        }
        try settle(path.removingLastComponent())
    }

    /// Waits until the names in a directory are on the disk (fsync(2)).
    public static func settle(_ directory: FilePath) throws(SystemCallError) {
        let descriptor = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY)
        try systemCall("fsync", on: directory.string) { fsync(descriptor.rawValue) }
    }
}
