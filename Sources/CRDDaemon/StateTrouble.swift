// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging
import SystemPackage

/// The parts of the state that the daemon cannot write, because the disk is full or the file system
/// is mounted read-only. Modules run nevertheless, since that is when they are needed.
///
/// Logged once, however much is affected, and once when everything is stored again.
final class StateTrouble {
    /// The time between two retries.
    static let retryPeriod = Duration.seconds(5)

    enum Matter {
        /// The daemon's own directories and its lock.
        case directories
        /// The journal position.
        case positions
        /// The state directories of modules, `CRD_STATE`.
        case modules
    }

    private let state: FilePath
    private let logger: Logger
    private var matters: Set<Matter> = []
    /// Nil if there is nothing to retry.
    private(set) var retryAt: Instant?

    init(_ state: FilePath, logger: Logger) {
        self.state = state
        self.logger = logger
    }

    func concerns(_ matter: Matter) -> Bool { matters.contains(matter) }

    func report(_ matter: Matter, _ error: any Error) {
        if matters.isEmpty {
            logger.error(
                "crd cannot write to the state directory \(state): \(error); modules run all the same, but until it can, positions in the journal are not stored (after a kill, entries are checked again), processes may outlive a crd that is killed, new modules have no CRD_STATE, and nothing can be installed; crd retries every \(TimeSpan(Self.retryPeriod))"
            )
            retryAt = Clock.now + Self.retryPeriod
        }
        matters.insert(matter)
    }

    func heal(_ matter: Matter) {
        guard matters.remove(matter) != nil, matters.isEmpty else { return }
        retryAt = nil
        logger.notice(
            "the state directory \(state) is writable again: crd has resumed storing its records"
        )
    }

    /// Plans the next retry if one is due.
    ///
    /// - Returns: whether it is time to retry.
    func passRetry(at now: Instant) -> Bool {
        guard let due = retryAt, due <= now else { return false }
        retryAt = now + Self.retryPeriod
        return true
    }
}

extension SystemCallError {
    /// Whether the file system temporarily refuses writes, as opposed to being used wrongly.
    var meansUnwritable: Bool {
        switch errno.rawValue {
        case ENOSPC, EDQUOT, EROFS, EIO, ESTALE, EUCLEAN, ENODEV, ENXIO: true
        // An immutable directory, or a server that maps root to nobody. Other users may simply lack
        // the right to write.
        case EACCES, EPERM: geteuid() == 0
        default: false
        }
    }
}
