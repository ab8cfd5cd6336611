// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging
import SystemPackage

/// What the daemon cannot write of its state: a disk that is full, or a file system that is mounted
/// read-only. Modules run all the same, since that is when they are needed.
///
/// The log says so once, whatever and however much is concerned, and once when all is stored again.
final class StateTrouble {
    /// How often it is tried again.
    static let retryPeriod = Duration.seconds(5)

    enum Matter {
        /// The daemon's own directories and its lock.
        case directories
        /// How far the journal has been read.
        case positions
        /// Directories of modules, `CRD_STATE`.
        case modules
    }

    private let state: FilePath
    private let logger: Logger
    private var matters: Set<Matter> = []
    /// Nil where there is nothing to try again.
    private(set) var retryAt: Instant?

    init(_ state: FilePath, logger: Logger) {
        self.state = state
        self.logger = logger
    }

    func concerns(_ matter: Matter) -> Bool { matters.contains(matter) }

    func note(_ matter: Matter, _ error: any Error) {
        if matters.isEmpty {
            logger.error(
                "the state directory \(state) cannot be written: \(error); modules run all the same, but until that works, positions in the journal are not stored (after a kill, entries are checked again), processes may outlive a crd that is killed, new modules have no CRD_STATE, and nothing can be installed; crd retries every \(TimeSpan(Self.retryPeriod))"
            )
            retryAt = Clock.now + Self.retryPeriod
        }
        matters.insert(matter)
    }

    func heal(_ matter: Matter) {
        guard matters.remove(matter) != nil, matters.isEmpty else { return }
        retryAt = nil
        logger.notice(
            "the state directory \(state) can be written: what crd remembers is stored again")
    }

    /// - Returns: whether it is time to try again.
    func passRetry(at now: Instant) -> Bool {
        guard let due = retryAt, due <= now else { return false }
        retryAt = now + Self.retryPeriod
        return true
    }
}

extension SystemCallError {
    /// Whether the file system takes nothing more, for now, as opposed to being used wrongly.
    var meansUnwritable: Bool {
        switch errno.rawValue {
        case ENOSPC, EDQUOT, EROFS, EIO, ESTALE, EUCLEAN, ENODEV, ENXIO: true
        // An immutable directory, or a server that makes nobody of root. Others may not write in
        // the first place.
        case EACCES, EPERM: geteuid() == 0
        default: false
        }
    }
}
