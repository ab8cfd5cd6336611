// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("FileLock", .timeLimit(.minutes(10)))
struct FileLockTests {
    private let directory: TemporaryDirectory
    private var path: FilePath { directory["lock"] }

    init() throws { directory = try TemporaryDirectory() }

    private func holder() -> String? {
        do {
            _ = try FileLock.acquire(path)
            return nil
        } catch {
            return (error as? FileLock.Held)?.holder
        }
    }

    /// A child that another test is just starting holds all our descriptors until execve(2).
    private var isFree: Bool { eventually { holder() == nil } }

    @Test("tells the second who the first is, and is let go when dropped") func second() throws {
        try directory.write("lock", "a line longer than any process id is\n")
        do {
            let lock = try FileLock.acquire(path)
            #expect(holder() == "\(getpid())")
            _ = consume lock
        }
        #expect(isFree)
        #expect(FileStatus(of: path)?.mode == 0o644, "one that was there keeps its mode")
    }

    @Test("is made for its owner alone") func mode() throws {
        _ = try FileLock.acquire(path)
        #expect(FileStatus(of: path)?.mode == 0o600)
    }

    @Test("is let go when its holder is killed") func death() async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path.string as String] in
            let lock = try FileLock.acquire(FilePath(path))
            kill(getpid(), SIGKILL)
            _ = consume lock
        }
        #expect(isFree)
    }

    @Test("is not inherited by a child") func inheritance() throws {
        let process: ChildProcess
        do {
            let lock = try FileLock.acquire(path)
            process = try Shell("exec sleep 100").start()
            _ = consume lock
        }
        #expect(isFree)
        process.end()
    }

    @Test("says what it could not open") func impossible() throws {
        let error = #expect(throws: SystemCallError.self) {
            _ = try FileLock.acquire(directory["missing/lock"])
        }
        #expect(
            error?.description == "open '\(directory["missing/lock"])': No such file or directory")
    }
}
