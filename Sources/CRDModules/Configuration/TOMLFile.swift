// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// A TOML file that the daemon trusts.
enum TOMLFile {
    /// Reads the file if only trusted users could have written it.
    static func read(
        _ path: FilePath, under rule: OwnershipRule
    ) throws(Diagnostic) -> TOMLTable {
        let status: FileStatus
        do throws(FileRefusal) {
            status = try rule.verify(path)
        } catch {
            let remedy = error.isMissing ? "; create it, or name another" : ""
            throw complaint(about: path, error, remedy)
        }
        return try parse(path, status)
    }

    /// Does the same for a file in a directory that was verified just before; returns nil if there
    /// is none.
    static func readIfThere(
        _ name: FilePath.Component, in directory: FilePath, under rule: OwnershipRule
    ) throws(Diagnostic) -> TOMLTable? {
        let path = directory.appending(name)
        let status: FileStatus
        do throws(FileRefusal) {
            status = try rule.verify(lastOf: path)
        } catch {
            if error.isMissing(path) { return nil }
            throw complaint(about: path, error)
        }
        return try parse(path, status)
    }

    private static func parse(
        _ path: FilePath, _ status: FileStatus
    ) throws(Diagnostic) -> TOMLTable {
        guard status.kind == .regular else {
            throw complaint(about: path, FileRefusal(path, "is not a regular file"))
        }
        let bytes: [UInt8]
        do throws(SystemCallError) {
            bytes = try Descriptor.open(path, O_RDONLY)
                .readAll(limit: TOMLDocument.sizeMax + 1, subject: path.string)
        } catch {
            throw Diagnostic(file: path.string, position: .start, message: "\(error)")
        }
        return try TOMLDocument.parse(bytes, file: path.string)
    }

    /// Names the refused path in the message, unless it is the file itself.
    private static func complaint(
        about path: FilePath, _ refusal: FileRefusal, _ remedy: String = ""
    ) -> Diagnostic {
        let message = refusal.path == path ? refusal.reason : refusal.description
        return Diagnostic(file: path.string, position: .start, message: message + remedy)
    }
}
