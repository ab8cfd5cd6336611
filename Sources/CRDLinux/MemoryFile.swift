// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage

/// Files in memory that are handed to children and that nobody can change any more.
public enum MemoryFile {
    /// Writes `bytes` into a new sealed memory file (memfd_create(2), fcntl(2) `F_ADD_SEALS`).
    ///
    /// What is returned is open read-only and stands at the beginning. It is an open file of its
    /// own, so a child that reads it moves nobody else's position.
    public static func sealed(
        name: String, _ bytes: some Sequence<[UInt8]>
    ) throws(SystemCallError) -> Descriptor {
        let file = Descriptor(
            adopting: try systemCall("memfd_create", on: name) { crd_memfd_create(name) })
        for chunk in bytes {
            try file.writeAll(chunk, subject: name)
        }
        try systemCall("fcntl", on: name) { crd_memfd_seal(file.rawValue) }
        // Reopened, for a writable descriptor could not be told from one that was left so by
        // mistake, and its position stands at the end.
        return try .open(FilePath("/proc/self/fd/\(file.rawValue)"), O_RDONLY)
    }
}
