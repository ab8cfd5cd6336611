// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import Logging
import SystemPackage

/// The daemon's directories, and the lock that keeps a second daemon out of them.
final class StateDirectory {
    let path: FilePath
    let trouble: StateTrouble
    private let layout: StateLayout
    /// Works even if no file can be created.
    private let directoryLock: FileLock
    /// Names the process that holds it.
    private var lock: FileLock?
    /// A life that could not be stored yet.
    private var unstored: DaemonLife?

    /// Creates missing parts of the state and runtime directories and takes the lock. If the state
    /// cannot be written, this is logged and retried.
    ///
    /// - Throws: `StartFailure` with the remedy.
    init(_ configuration: Configuration, logger: Logger) throws {
        path = FilePath(configuration.state)
        layout = StateLayout(path)
        trouble = StateTrouble(path, logger: logger)
        let runtime = FilePath(configuration.runtime)
        do {
            try Self.make(layout, trouble)
            _ = try OwnershipRule().makeDirectory(runtime)
        } catch let refusal as FileRefusal {
            throw StartFailure("\(refusal)")
        } catch {
            throw StartFailure(
                "\(error); run crd as a user who may write there, or name other directories with "
                    + "'state' and 'runtime' in crd.conf")
        }
        do throws(FileRefusal) {
            try layout.verifyWhatIsThere()
        } catch {
            throw StartFailure("\(error)")
        }
        do {
            lock = try Self.acquireLock(layout, trouble)
            let places = [layout.daemon, path, runtime]
            let place = places.first { FileStatus(of: $0)?.kind == .directory } ?? runtime
            directoryLock = try FileLock.acquire(directory: place)
        } catch let held as FileLock.Held {
            let holder = held.holder.isEmpty ? "" : ", as process \(held.holder)"
            throw StartFailure(
                "another crd is already running with the state directory \(path)\(holder); stop "
                    + "that one, or name another directory with 'state'")
        }
    }

    private static func make(_ layout: StateLayout, _ trouble: StateTrouble) throws {
        do {
            try layout.make()
        } catch let error as SystemCallError where error.meansUnwritable {
            trouble.report(.directories, error)
        }
    }

    /// Returns nil if the lock file can be neither created nor opened.
    private static func acquireLock(_ layout: StateLayout, _ trouble: StateTrouble) throws
        -> FileLock?
    {
        // The file names the process to be stopped; otherwise the directory's lock would suffice.
        do {
            let lock = try FileLock.acquire(layout.daemon.appending("lock"))
            if let error = lock.unwritten { trouble.report(.directories, error) }
            return lock
        } catch let error as SystemCallError
            where error.meansUnwritable || trouble.concerns(.directories)
        {
            trouble.report(.directories, error)
            return nil
        }
    }

    /// The life of the previous daemon, if it was killed.
    var formerLife: DaemonLife? { DaemonLife.stored(in: layout.daemon) }

    /// Stores how a later daemon recognizes this one's processes.
    func store(_ life: DaemonLife) {
        unstored = life
        storeLife()
    }

    private func storeLife() {
        guard let life = unstored else { return }
        do {
            try life.store(in: layout.daemon)
            unstored = nil
        } catch {
            trouble.report(.directories, error)
        }
    }

    /// Deletes the stored life when no process of this daemon is left.
    func forgetLife() { DaemonLife.forget(in: layout.daemon) }

    /// Tries again to create missing directories and to store the life.
    func tryAgain() {
        guard trouble.concerns(.directories) else { return }
        do {
            try layout.make()
            try layout.verify()
            // Released first: two descriptors of one process exclude each other. The directory's
            // lock keeps other daemons out meanwhile.
            lock = nil
            let taken = try FileLock.acquire(layout.daemon.appending("lock"), tries: 1)
            let isWritten = taken.unwritten == nil
            lock = consume taken
            storeLife()
            if isWritten && unstored == nil { trouble.heal(.directories) }
        } catch {
            trouble.report(.directories, error)
        }
    }
}
