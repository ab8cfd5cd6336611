// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import FoundationEssentials
import Glibc
import SystemPackage

/// What is being done to a module, and how far it has got: on the disk before each step, so that
/// whoever comes after SIGKILL or a loss of power knows what to undo, or to finish.
struct TransactionRecord: Codable, Equatable {
    enum Operation: String, Codable { case install, upgrade, remove }

    enum Step: String, Codable {
        /// Files were fetched and put in place. Nothing of them was executed.
        case preparing
        /// A script may have begun to change the system.
        case scripting
        /// The rollback has ended; what is left is to clear away.
        case rolledBack
        /// It has succeeded; what is left is to show it.
        case committed
    }

    let operation: Operation
    /// `CRD_RUN` of all that it starts.
    let id: String
    let name: String
    var step = Step.preparing
    /// Where the module is seen.
    var target = ""
    /// The dot directory beside it, where nobody sees it; empty as long as there is none.
    var place = ""
    /// Whether the module's state directory was made for it.
    var madeState = false
    /// Whether a script may have prepared the system, so that there is something to undo.
    var mayBePrepared = false
    /// Of the directory that is put where it is seen, or taken away from there.
    var inode: UInt64?
    /// Whether a rollback has failed, and what it failed on can be kept nowhere else.
    var isKeptInPlace = false
    /// The new one; nil for a module that nobody has fetched.
    var receipt: Receipt?

    init(_ operation: Operation, _ name: ModuleName) {
        self.operation = operation
        self.name = name.description
        id = "install-\(String(UInt64.random(in: 0..<(1 << 48)), radix: 36))"
    }

    /// Waits until it is on the disk.
    func store(_ path: FilePath) throws(InstallationFailure) {
        do {
            try DurableFile.replace(path, with: Array(JSONEncoder().encode(self)))
        } catch {
            throw InstallationFailure("\(error)")
        }
    }

    /// Nil where there is none.
    ///
    /// - Throws: `InstallationFailure` for one that says nothing; it is moved aside.
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
