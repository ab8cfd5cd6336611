// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage

/// A file in memory that is handed to a child and that nobody can change any more, whoever opens it
/// and however, standing at its beginning (memfd_create(2), fcntl(2) `F_ADD_SEALS`).
public final class MemoryFile {
    private let file: Descriptor

    public var descriptor: CInt { file.rawValue }

    /// Writes the bytes, and seals.
    public init(name: String, _ bytes: [UInt8]) throws(SystemCallError) {
        file = Descriptor(
            adopting: try systemCall("memfd_create", on: name) { crd_memfd_create(name) })
        try file.writeAll(bytes, subject: name)
        try systemCall("lseek", on: name) { lseek(file.rawValue, 0, SEEK_SET) }
        // Not opened anew for reading alone: the way through /proc costs more than all the rest,
        // and the seals refuse whatever is written.
        try systemCall("fcntl", on: name) { crd_memfd_seal(file.rawValue) }
    }
}
