// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// A name in a directory: any bytes but NUL and `/`.
struct FileName: Hashable {
    /// Without the NUL at its end.
    let bytes: [UInt8]

    init(_ bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    init(_ name: UnsafePointer<CChar>) {
        bytes = name.withMemoryRebound(to: UInt8.self, capacity: strlen(name)) {
            Array(UnsafeBufferPointer(start: $0, count: strlen(name)))
        }
    }
}
