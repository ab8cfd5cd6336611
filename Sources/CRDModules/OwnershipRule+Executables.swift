// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import SystemPackage

extension OwnershipRule {
    /// Verifies that the file exists, belongs to a trusted user and is executable. Its directory
    /// must have been verified just before.
    @discardableResult
    func verifyExecutable(
        _ path: FilePath, ownedAlsoBy owner: UID?
    ) throws(FileRefusal) -> FileStatus {
        let status: FileStatus
        do throws(FileRefusal) {
            status = try verify(lastOf: path, ownedAlsoBy: owner)
        } catch let error where error.isMissing(path) {
            throw FileRefusal(
                path, "is not there; a module needs an executable of that name", isMissing: true)
        } catch {
            throw error.told(of: path)
        }
        guard status.kind == .regular else {
            throw FileRefusal(path, "is not a regular file; put an executable there")
        }
        guard status.mode & 0o111 != 0 else {
            throw FileRefusal(path, "is not executable; run: chmod +x '\(path)'")
        }
        return status
    }
}
