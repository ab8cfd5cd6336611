// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage

/// A directory that is read entry by entry, in one go or in several (readdir(3)).
final class DirectoryStream {
    private let stream: OpaquePointer

    /// The kind of an entry according to readdir(3).
    enum EntryKind { case directory, other, unknown }

    /// Opens a directory; a path that contains a symbolic link counts as missing (openat2(2),
    /// `RESOLVE_NO_SYMLINKS`; fdopendir(3)).
    init(_ path: [UInt8]) throws(SystemCallError) {
        let flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK
        let descriptor = try systemCall("open", on: String(decoding: path, as: UTF8.self)) {
            withPath(path) { crd_open_without_links($0, flags) }
        }
        guard let stream = fdopendir(descriptor) else {
            let code = Errno(rawValue: errno)
            close(descriptor)
            throw SystemCallError(
                function: "fdopendir", errno: code, subject: String(decoding: path, as: UTF8.self))
        }
        self.stream = stream
    }

    init(adopting stream: OpaquePointer) {
        self.stream = stream
    }

    deinit { closedir(stream) }

    /// Calls `body` with the next entry, unless it is `.` or `..`; the name is valid during the
    /// call.
    ///
    /// - Returns: whether there was an entry, of whatever name.
    func next(_ body: (UnsafePointer<CChar>, EntryKind) -> Void) -> Bool {
        guard let record = readdir(stream) else { return false }
        let kind: EntryKind =
            switch CInt(record.pointee.d_type) {
            case CInt(DT_DIR): .directory
            case CInt(DT_UNKNOWN): .unknown
            default: .other
            }
        withUnsafePointer(to: &record.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                if strcmp(name, ".") != 0 && strcmp(name, "..") != 0 { body(name, kind) }
            }
        }
        return true
    }
}
