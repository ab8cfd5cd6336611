// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
public import SystemPackage

/// A file that one process at a time holds, with its pid inside (flock(2)).
public struct FileLock: ~Copyable {
    private let file: Descriptor
    /// Why our pid could not be written into it; the lock holds without.
    public let unwritten: SystemCallError?

    /// Somebody else has it.
    public struct Held: Error {
        /// What is written in the file; empty where the holder has not written yet.
        public let holder: String
    }

    /// How often it is tried, in steps of 20 ms: a child of a process that was just killed holds its
    /// descriptors until it executes something.
    public static let triesMax = 50

    /// Takes the lock, waiting a second at most; it is let go when dropped, and when the process
    /// ends.
    ///
    /// - Throws: `Held`, or `SystemCallError`.
    public static func take(_ path: FilePath, tries triesMax: Int = triesMax) throws -> FileLock {
        let file = try Descriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        try hold(file, path, tries: triesMax)
        do throws(SystemCallError) {
            // Over what is there first: on a full disk there may be no other place.
            try file.writeAll(Array("\(getpid())\n".utf8), subject: path.string)
            let size = lseek(file.rawValue, 0, SEEK_CUR)
            try systemCall("ftruncate", on: path.string) { ftruncate(file.rawValue, size) }
            return FileLock(file: file)
        } catch {
            return FileLock(file: file, unwritten: error)
        }
    }

    /// Takes the lock of a directory, in which nothing need be written.
    ///
    /// - Throws: `Held`, or `SystemCallError`.
    public static func take(directory path: FilePath) throws -> FileLock {
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
