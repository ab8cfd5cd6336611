// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// A lock file that one process at a time holds, with its pid inside (flock(2)).
public struct FileLock: ~Copyable {
    private let file: Descriptor
    /// Why our pid could not be written into the file; the lock is held nevertheless.
    public let unwritten: SystemCallError?

    /// Another process holds the lock.
    public struct Held: Error {
        /// The content of the file; empty if the holder has not written yet.
        public let holder: String
    }

    /// The number of attempts, 20 ms apart: a child of a process that was just killed holds its
    /// descriptors until execve(2).
    public static let triesMax = 50

    /// Takes the lock, waiting at most a second. The lock is released when it is dropped or the
    /// process ends.
    ///
    /// - Throws: `Held`, or `SystemCallError`.
    public static func acquire(_ path: FilePath, tries triesMax: Int = triesMax) throws -> FileLock
    {
        let file = try Descriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        try hold(file, path, tries: triesMax)
        do throws(SystemCallError) {
            // Overwrite first, then truncate: on a full disk there may be no other space.
            try file.writeAll(Array("\(getpid())\n".utf8), subject: path.string)
            let size = lseek(file.rawValue, 0, SEEK_CUR)
            try systemCall("ftruncate", on: path.string) { ftruncate(file.rawValue, size) }
            return FileLock(file: file)
        } catch {
            return FileLock(file: file, unwritten: error)
        }
    }

    /// Takes the lock of a directory, into which nothing is written.
    ///
    /// - Throws: `Held`, or `SystemCallError`.
    public static func acquire(directory path: FilePath) throws -> FileLock {
        let file = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
        try hold(file, path, tries: triesMax)
        return FileLock(file: file)
    }

    private static func hold(
        _ file: borrowing Descriptor, _ path: FilePath, tries triesMax: Int
    ) throws {
        var tries = 1
        while crd_lock(file.rawValue) == -1 {
            let code = Errno(rawValue: errno)
            guard code == .wouldBlock else {
                throw SystemCallError(function: "flock", errno: code, subject: path.string)
            }
            tries += 1
            guard tries > triesMax else {
                usleep(20_000)
                continue
            }
            let text = (try? file.readAll(limit: 32, subject: path.string)) ?? []
            throw Held(holder: String(decoding: text.prefix { $0 != 0x0a }, as: UTF8.self))
        }
    }

    private init(file: consuming Descriptor, unwritten: SystemCallError? = nil) {
        self.file = file
        self.unwritten = unwritten
    }
}
