// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import SystemPackage

/// The daemon's directories, and the lock that keeps a second daemon out of them.
struct StateDirectory: ~Copyable {
    let path: FilePath
    private let lock: FileLock

    /// Makes what is missing of the state and runtime directories and takes the lock.
    ///
    /// - Throws: `StartFailure` with the remedy.
    static func open(_ configuration: Configuration) throws -> StateDirectory {
        let path = FilePath(configuration.state)
        let layout = StateLayout(path)
        let runtime = FilePath(configuration.runtime)
        do throws(SystemCallError) {
            try layout.make()
            try Directory.make(runtime, mode: 0o755)
        } catch {
            throw StartFailure(
                "\(error); run crd as a user who may write there, or name other directories with "
                    + "'state' and 'runtime' in crd.conf")
        }
        do throws(Refusal) {
            try layout.verify()
            try OwnershipRule().verify(runtime)
        } catch {
            throw StartFailure("\(error)")
        }
        do {
            let lock = try FileLock.take(layout.daemon.appending("lock"))
            return StateDirectory(path: path, lock: lock)
        } catch let held as FileLock.Held {
            throw StartFailure(
                "a crd is running already with the state directory \(path), as process "
                    + "\(held.holder); stop that one, or name another directory with 'state'")
        }
    }

    private init(path: FilePath, lock: consuming FileLock) {
        self.path = path
        self.lock = lock
    }
}

/// Why the daemon could not start, and what to do.
public struct StartFailure: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
