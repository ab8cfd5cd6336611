// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage

/// A file in memory that is handed to a child and that nobody can change any more, open read-only
/// and standing at its beginning (memfd_create(2), fcntl(2) `F_ADD_SEALS`).
public final class MemoryFile {
    private let file: Descriptor

    public var descriptor: CInt { file.rawValue }

    /// Writes the chunks one after the other, and seals.
    public init(
        name: String, _ bytes: some Sequence<[UInt8]>
    ) throws(SystemCallError) {
        let file = Descriptor(
            adopting: try systemCall("memfd_create", on: name) { crd_memfd_create(name) })
        for chunk in bytes {
            try file.writeAll(chunk, subject: name)
        }
        try systemCall("fcntl", on: name) { crd_memfd_seal(file.rawValue) }
        // Reopened, for a writable descriptor could not be told from one that was left so by
        // mistake, and its position stands at the end.
        self.file = try .open(FilePath("/proc/self/fd/\(file.rawValue)"), O_RDONLY)
    }
}
