// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("MemoryFile")
struct MemoryFileTests {
    /// Opens it as a child may: anew, with all rights.
    private func reopened(_ file: MemoryFile, _ flags: CInt) throws -> Descriptor {
        try .open(FilePath("/proc/self/fd/\(file.descriptor)"), flags)
    }

    @Test("holds the bytes, from the beginning", arguments: [0, 1, 7, 400_001])
    func content(size: Int) throws {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        let file = try MemoryFile(name: "test", bytes)
        let copy = Descriptor(adopting: fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0))
        #expect(try copy.readAll() == bytes)
    }

    @Test("gives each who opens it a position of its own") func positions() throws {
        let file = try MemoryFile(name: "test", Array("text".utf8))
        let first = try reopened(file, O_RDONLY)
        #expect(try first.readAll() == Array("text".utf8))
        #expect(try reopened(file, O_RDONLY).readAll() == Array("text".utf8))
        #expect(lseek(file.descriptor, 0, SEEK_CUR) == 0)
    }

    @Test("cannot be written through its own descriptor, and is close-on-exec")
    func flags() throws {
        let file = try MemoryFile(name: "test", [1])
        #expect(write(file.descriptor, "x", 1) == -1 && errno == EPERM)
        #expect(fcntl(file.descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test("cannot be changed by whoever opens it for writing") func sealed() throws {
        let file = try MemoryFile(name: "test", Array("text".utf8))
        let writer = try reopened(file, O_RDWR)
        let fd = writer.rawValue
        func isForbidden(_ result: Int) -> Bool { result == -1 && errno == EPERM }
        #expect(isForbidden(write(fd, "x", 1)))
        #expect(isForbidden(Int(ftruncate(fd, 0))))
        #expect(isForbidden(Int(ftruncate(fd, 100))))
        #expect(isForbidden(Int(crd_memfd_seal(fd))))
        let map = mmap(nil, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        #expect(isForbidden(Int(bitPattern: map)))
        #expect(try writer.readAll() == Array("text".utf8))
    }

    @Test("can be opened through /dev/fd by another user", .enabled(if: geteuid() == 0))
    func otherUser() throws {
        let output = try MemoryOutput()
        var shell = Shell("cat /dev/fd/3")
        shell.user = UserAccount(
            name: "nobody", uid: 65_534, gid: 65_534, groups: [], home: "/", shell: "/bin/sh")
        let process = try shell.start(printingInto: output.descriptor)
        #expect(try process.wait() == .exited(0))
        // Descriptor 3 is the script itself here.
        #expect(output.text == "cat /dev/fd/3")
    }
}
