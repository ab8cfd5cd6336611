// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// Atomic moves of files: others see all of a file or nothing (rename(2)).
public enum DurableFile {
    /// Renames a file or a directory to a name that does not exist yet (`RENAME_NOREPLACE`).
    public static func move(_ path: FilePath, to new: FilePath) throws(SystemCallError) {
        try systemCall("rename", on: "\(path)' to '\(new)") {
            path.withPlatformString { from in
                new.withPlatformString { to in
                    let result = crd_rename_new(from, to)
                    // Some file systems do not support the flags.
                    guard result == -1, errno == EINVAL, access(to, F_OK) == -1 else {
                        return result
                    }
                    return rename(from, to)
                }
            }
        }
    }

    /// Renames as `move` does; returns false if the new name is on another file system (`EXDEV`).
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

    /// Exchanges two directories (`RENAME_EXCHANGE`).
    ///
    /// - Returns: false if the file system does not support that.
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

    /// Writes a file that only its owner can access, in place of an existing one, and waits until
    /// it is on disk. After a crash there is the old file or the new one (fsync(2)).
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

    /// Returns the path to which `replace` writes before it renames the file.
    public static func unfinished(_ path: FilePath) -> FilePath { FilePath("\(path).new") }

    /// Removes a file, durably (unlink(2), fsync(2)); a missing one is not an error.
    public static func forget(_ path: FilePath) throws(SystemCallError) {
        do throws(SystemCallError) {
            try systemCall("unlink", on: path.string) { path.withPlatformString { unlink($0) } }
        } catch let error where error.errno == .noSuchFileOrDirectory {
            return
        }
        try settle(path.removingLastComponent())
    }

    /// Waits until the names in a directory are on disk (fsync(2)).
    public static func settle(_ directory: FilePath) throws(SystemCallError) {
        let descriptor = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY)
        try systemCall("fsync", on: directory.string) { fsync(descriptor.rawValue) }
    }
}
