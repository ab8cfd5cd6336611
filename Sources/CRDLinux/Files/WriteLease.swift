// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
public import SystemPackage

/// Whether somebody has a file open for writing just now.
public enum WriteLease {
    /// The kernel gives a read lease on a file only where nobody writes it (fcntl(2), `F_SETLEASE`).
    /// Given back at once: until then, who opens the file for writing waits.
    ///
    /// False where nobody can tell, as on a file system without leases.
    public static func contains(_ path: FilePath) -> Bool { find(path) ?? false }

    /// The same; nil where nobody can tell.
    static func find(_ path: FilePath) -> Bool? {
        let file: Descriptor
        do throws(SystemCallError) {
            file = try .openRegular(path)
        } catch {
            // Somebody has a write lease on it, for which we do not wait.
            return error.errno == .wouldBlock ? true : nil
        }
        if fcntl(file.rawValue, setLease, F_RDLCK) == 0 {
            _ = fcntl(file.rawValue, setLease, F_UNLCK)
            return false
        }
        return Errno(rawValue: errno) == .wouldBlock ? true : nil
    }

    /// `F_SETLEASE` of fcntl.h, which Glibc's module does not have.
    private static let setLease: CInt = 1_024
}
