// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// A TOML file that the daemon believes.
enum TOMLFile {
    /// Reads the file, if nobody else could have written it.
    static func read(
        _ path: FilePath, under rule: OwnershipRule
    ) throws(Diagnostic) -> TOMLTable {
        let bytes: [UInt8]
        do {
            let status = try rule.verify(path)
            guard status.kind == .regular else { throw Refusal(path, "is not a regular file") }
            bytes = try Descriptor.open(path, O_RDONLY)
                .readAll(limit: TOMLDocument.sizeMax + 1, subject: path.string)
        } catch let refusal as Refusal {
            // The complaint begins with the file's own name, unless another is to blame.
            let message = refusal.path == path ? refusal.reason : refusal.description
            let remedy = refusal.isMissing ? "; make it, or name another" : ""
            throw Diagnostic(file: path.string, position: .start, message: message + remedy)
        } catch {
            throw Diagnostic(file: path.string, position: .start, message: "\(error)")
        }
        return try TOMLDocument.parse(bytes, file: path.string)
    }
}
