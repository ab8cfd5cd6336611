// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
public import SystemPackage

/// Detects whether a file is open for writing.
public enum WriteLease {
    /// Returns whether some process has the file open for writing. The kernel grants a read lease
    /// only if none has (fcntl(2), `F_SETLEASE`). The lease is released at once: until then, a
    /// process that opens the file for writing blocks.
    ///
    /// False if this cannot be found out, as on a file system without leases.
    public static func contains(_ path: FilePath) -> Bool { find(path) ?? false }

    /// Returns the same; nil if this cannot be found out.
    static func find(_ path: FilePath) -> Bool? {
        let file: Descriptor
        do throws(SystemCallError) {
            file = try .openRegular(path)
        } catch {
            // Another process has a write lease on it, which we do not wait for.
            return error.errno == .wouldBlock ? true : nil
        }
        if fcntl(file.rawValue, setLease, F_RDLCK) == 0 {
            _ = fcntl(file.rawValue, setLease, F_UNLCK)
            return false
        }
        return Errno(rawValue: errno) == .wouldBlock ? true : nil
    }

    /// Opens a file for reading, so that nobody who opens or executes it waits for the owner of a
    /// write lease on it: no process gets one while the file is open.
    ///
    /// - Throws: `SystemCallError`; `Held` if a process has a write lease on it.
    public static func holdOff(_ path: FilePath) throws -> SharedDescriptor {
        do throws(SystemCallError) {
            return SharedDescriptor(try .openRegular(path))
        } catch let error where error.errno == .wouldBlock {
            throw Held(path: path)
        }
    }

    /// A process has a write lease on the file.
    public struct Held: Error, CustomStringConvertible {
        let path: FilePath

        public var description: String {
            "\(path) is being written: a process has a lease on the file; find that process with "
                + "lslocks(8), wait until it has ended, and try again"
        }
    }

    /// `F_SETLEASE` of fcntl.h, which is missing from the Glibc module.
    private static let setLease: CInt = 1_024
}
