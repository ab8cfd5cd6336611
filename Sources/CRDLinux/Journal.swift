// SPDX-License-Identifier: GPL-3.0-or-later

import CSystemd
import Glibc
import SystemPackage

/// Writing to the journal with fields (sd_journal_sendv(3)).
public enum Journal {
    /// Whether standard error leads into the journal: `JOURNAL_STREAM` names the device and inode
    /// of the stream that the service manager made, and it may have been redirected since.
    public static var isStandardError: Bool {
        guard let value = getenv("JOURNAL_STREAM"), let status = FileStatus(of: 2) else {
            return false
        }
        return String(cString: value) == "\(status.device):\(status.inode)"
    }

    /// Sends one entry.
    ///
    /// - Parameter fields: each `NAME=value`; values may hold any bytes.
    /// - Throws: `SystemCallError` with what libsystemd returned.
    public static func send(_ fields: [[UInt8]]) throws(SystemCallError) {
        let joined = fields.flatMap { $0 }
        let result = joined.withUnsafeBytes { buffer in
            var offset = 0
            let vectors = fields.map { field in
                defer { offset += field.count }
                let start = buffer.baseAddress.map { $0 + offset }
                return iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: start), iov_len: field.count)
            }
            return sd_journal_sendv(vectors, CInt(vectors.count))
        }
        guard result < 0 else { return }
        throw SystemCallError(
            function: "sd_journal_sendv", errno: Errno(rawValue: -result), subject: "")
    }
}
