// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage

/// A file in memory that is handed to a child and that nobody can change any more, whoever opens it
/// and however, standing at its beginning (memfd_create(2), fcntl(2) `F_ADD_SEALS`).
public final class MemoryFile {
    private let file: Descriptor
    private let name: String

    public var descriptor: CInt { file.rawValue }

    /// An empty file that is still to be filled, with memory for a page of it.
    public init(name: String) throws(SystemCallError) {
        self.name = name
        file = Descriptor(
            adopting: try systemCall("memfd_create", on: name) { crd_memfd_create(name) })
        // Or the first write has to wait for the page; where it cannot be had now, it does.
        _ = crd_reserve_page(file.rawValue)
    }

    /// Writes the bytes, and seals.
    public convenience init(name: String, _ bytes: [UInt8]) throws(SystemCallError) {
        try self.init(name: name)
        try fill(bytes)
    }

    /// Writes the bytes, and seals: once for a file.
    public func fill(_ bytes: [UInt8]) throws(SystemCallError) {
        // By pwrite(2), which leaves the position at the beginning.
        try Descriptor.passAll(bytes, to: "pwrite", on: name) {
            pwrite(file.rawValue, $0, $1, off_t($2))
        }
        // Not opened anew for reading alone: the way through /proc costs more than all the rest,
        // and the seals refuse whatever is written.
        try systemCall("fcntl", on: name) { crd_memfd_seal(file.rawValue) }
    }
}
