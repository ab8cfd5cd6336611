// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// Short files of the kernel, read as a whole.
public enum KernelFile {
    /// Returns the content; nil if the file cannot be read.
    public static func read(_ path: String) -> String? {
        guard let file = try? Descriptor.open(FilePath(path), O_RDONLY),
            let bytes = try? file.readAll(limit: 1 << 24)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
