// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
public import SystemPackage

/// Symbolic links (symlink(7)).
public enum SymbolicLink {
    /// Returns the link's target; nil if there is no readable link (readlink(2)).
    public static func target(of path: FilePath) -> FilePath? {
        path.withPlatformString { read($0) }.map { FilePath(bytes: $0) }
    }

    /// Returns the target as bytes, which need not be UTF-8.
    static func read(_ path: UnsafePointer<CChar>) -> [UInt8]? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { text in
            let count = readlink(path, text.baseAddress!, text.count)
            return count <= 0 ? nil : text[..<count].map { UInt8(bitPattern: $0) }
        }
    }

    /// Returns the path with all symbolic links resolved; nil if it leads nowhere (realpath(3)).
    static func resolved(_ path: FilePath) -> FilePath? {
        let real = path.withPlatformString { realpath($0, nil) }
        defer { free(real) }
        return real.map { FilePath(platformString: $0) }
    }
}
