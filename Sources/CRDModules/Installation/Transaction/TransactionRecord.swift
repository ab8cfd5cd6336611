// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import FoundationEssentials
import Glibc
import SystemPackage

/// A change of a module and its progress. It is on disk before each step, so that after SIGKILL or
/// a power failure the next crd knows what to undo or to finish.
struct TransactionRecord: Codable, Equatable {
    enum Operation: String, Codable { case install, upgrade, remove }

    enum Step: String, Codable {
        /// The files were fetched and put in place. None of them was executed.
        case preparing
        /// A script may have started to change the system.
        case scripting
        /// The rollback has ended; only the cleanup is left.
        case rolledBack
        /// The change has succeeded; the module must still be moved to its target.
        case committed
    }

    let operation: Operation
    /// `CRD_RUN` of all processes that it starts.
    let id: String
    let name: String
    var step = Step.preparing
    /// The module's visible directory.
    var target = ""
    /// The hidden dot directory beside the target; empty while there is none.
    var place = ""
    /// Whether the module's state directory was created for it.
    var madeState = false
    /// Whether a script may have changed the system, so that a rollback is needed.
    var mayBePrepared = false
    /// The inode of the directory that is moved to the target or away from it.
    var inode: UInt64?
    /// Whether a rollback has failed and its directory could not be moved aside.
    var isKeptInPlace = false
    /// The new receipt; nil for a module that was not fetched.
    var receipt: Receipt?

    init(_ operation: Operation, _ name: ModuleName) {
        self.operation = operation
        self.name = name.description
        id = "install-\(String(UInt64.random(in: 0..<(1 << 48)), radix: 36))"
    }

    /// Stores the record and waits until it is on the disk.
    func store(_ path: FilePath) throws(InstallationFailure) {
        do {
            try DurableFile.replace(path, with: Array(JSONEncoder().encode(self)))
        } catch {
            throw InstallationFailure("\(error)")
        }
    }

    /// Reads the record; returns nil if there is none.
    ///
    /// - Throws: `InstallationFailure` if it cannot be decoded; it is then moved aside.
    static func load(_ path: FilePath) throws(InstallationFailure) -> TransactionRecord? {
        do {
            return try JSONFile.load(TransactionRecord.self, from: path, sizeMax: sizeMax)
        } catch let error as SystemCallError {
            throw InstallationFailure("\(error)")
        } catch {
            let aside = FilePath("\(path).damaged")
            _ = path.withPlatformString { path in
                aside.withPlatformString { rename(path, $0) }
            }
            throw InstallationFailure(
                "the record of a change that was interrupted cannot be read (\(error)); it is kept "
                    + "as \(aside): look for directories ending in '.installing' or '.removing' "
                    + "beside the modules, and remove them")
        }
    }

    private static let sizeMax = 1 << 26
}
