// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDLinux
import Glibc
import SystemPackage

/// A file in memory that a child prints into: nobody has to read meanwhile.
public final class MemoryOutput {
    private let file: Descriptor

    public init(_ name: String = "output") throws(SystemCallError) {
        file = Descriptor(
            adopting: try systemCall("memfd_create", on: name) { crd_memfd_create(name) })
    }

    public var descriptor: CInt { file.rawValue }

    /// All that was printed so far.
    public var bytes: [UInt8] {
        let own = FilePath("/proc/thread-self/fd/\(descriptor)")
        return (try? Descriptor.open(own, O_RDONLY).readAll()) ?? []
    }

    public var text: String { String(decoding: bytes, as: UTF8.self) }
}
