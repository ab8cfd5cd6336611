// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage

/// A file in memory that is passed to a child, positioned at its beginning. Once filled, nobody can
/// change it, however it is opened (memfd_create(2), fcntl(2) `F_ADD_SEALS`).
public final class MemoryFile {
    private let file: Descriptor
    private let name: String

    public var descriptor: CInt { file.rawValue }

    /// Makes an empty file, with one page of memory reserved.
    public init(name: String) throws(SystemCallError) {
        self.name = name
        file = Descriptor(
            adopting: try systemCall("memfd_create", on: name) { crd_memfd_create(name) })
        // Reserved here so that the first write need not wait for the page. If that fails, it
        // waits.
        _ = crd_reserve_page(file.rawValue)
    }

    /// Writes the bytes, and seals the file.
    public convenience init(name: String, _ bytes: [UInt8]) throws(SystemCallError) {
        try self.init(name: name)
        try fill(bytes)
    }

    /// Writes the bytes and seals the file; may be called once.
    public func fill(_ bytes: [UInt8]) throws(SystemCallError) {
        // pwrite(2) leaves the position at the beginning.
        try Descriptor.passAll(bytes, to: "pwrite", on: name) {
            pwrite(file.rawValue, $0, $1, off_t($2))
        }
        // Not reopened as read-only: opening it through /proc costs more than all the rest, and the
        // seals refuse all writes.
        try systemCall("fcntl", on: name) { crd_memfd_seal(file.rawValue) }
    }
}
