// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import Logging

/// Finds out whether file servers answer before the daemon reads a module there. A helper process
/// asks them; another one is started only while the others wait for an answer.
///
/// An answer is valid for a moment only. A server that stalls within that moment blocks the daemon,
/// until the service's watchdog ends it; only reading in another process could rule that out.
final class MountProbes: MountGuard {
    /// How long an answer is valid.
    private static let validity = Duration.milliseconds(20)
    /// How long the daemon waits for an answer; it waits only once until the server answers.
    enum Patience {
        /// The daemon does not serve anybody yet.
        static let atStart = Duration.seconds(1)
        static let inService = Duration.milliseconds(50)
    }
    /// In service, it waits in vain only once in this time: a user may have many mounts.
    private static let waitPeriod = Duration.seconds(1)

    /// What is known of one mount's server.
    private final class Probe {
        /// The process that asks it now.
        var asker: Asker?
        /// Whether a reading was refused because the server did not answer.
        var isMissed = false
        var answeredAt: Instant?

        var isAnswered: Bool { answeredAt.map { $0 + MountProbes.validity > Clock.now } ?? false }
    }

    /// A helper process, and the server that it asks.
    private final class Asker {
        var helper: HelperProcess?
        var probe: Probe?
    }

    let mounts: MountMap
    private let helpers: HelperProcess.Roll
    private let logger: Logger
    private var probes: [[UInt8]: Probe] = [:]
    /// The process that asks no server now.
    private var idle: Asker?
    /// Whether a server was not asked, since there was no process for it.
    private var isShort = false
    private let user = geteuid()
    var patience = Patience.atStart
    /// When the daemon last waited in vain.
    private var waitedAt: Instant?
    /// Called when a server answers again after a reading was refused.
    var recovered: () -> Void = {}

    init(_ mounts: MountMap, helpers: HelperProcess.Roll, logger: Logger) {
        self.mounts = mounts
        self.helpers = helpers
        self.logger = logger
    }

    func objection(to mountPoint: [UInt8], _ type: FileSystemType) -> String? {
        forgetUnmounted()
        if let owner = type.soleUser, type.isClosed(to: user) {
            return "lies on \(type.name), a mount of the user with uid \(owner) that is closed to "
                + "all others; have it mounted with allow_other"
        }
        let probe = probes[mountPoint] ?? Probe()
        probes[mountPoint] = probe
        if probe.isAnswered { return nil }
        let isRepeated = probe.asker != nil
        if !isRepeated { ask(probe, mountPoint) }
        let waits = !isRepeated && mayWait
        let wait = waits ? CInt(patience.nanoseconds / 1_000_000) : 0
        _ = probe.asker?.helper?.waitForMessage(milliseconds: wait)
        if probe.isAnswered { return nil }
        if waits { waitedAt = Clock.now }
        probe.isMissed = true
        return "lies on \(type.name), whose server does not answer; check whether it is up, or "
            + "unmount it with umount -l"
    }

    private var mayWait: Bool {
        guard patience == Patience.inService, let waitedAt else { return true }
        return waitedAt + Self.waitPeriod <= Clock.now
    }

    private func ask(_ probe: Probe, _ mountPoint: [UInt8]) {
        guard let asker = idle ?? start(), let helper = asker.helper else { return }
        idle = nil
        guard helper.send(mountPoint) else { return helper.dismiss() }
        asker.probe = probe
        probe.asker = asker
    }

    private func start() -> Asker? {
        do {
            let asker = Asker()
            asker.helper = try helpers.start(
                .mounts, received: { [weak self] _ in self?.receiveAnswer(of: asker) },
                ended: { [weak self] _ in
                    asker.helper = nil
                    asker.probe?.asker = nil
                    asker.probe = nil
                    if self?.idle === asker { self?.idle = nil }
                })
            return asker
        } catch {
            if !isShort {
                logger.error("cannot find out whether a file server answers: \(error)")
            }
            isShort = true
            return nil
        }
    }

    /// Receives an answer.
    private func receiveAnswer(of asker: Asker) {
        if idle == nil { idle = asker } else { asker.helper?.dismiss() }
        guard let probe = asker.probe else { return }
        asker.probe = nil
        probe.asker = nil
        probe.answeredAt = Clock.now
        guard probe.isMissed || isShort else { return }
        (probe.isMissed, isShort) = (false, false)
        recovered()
    }

    private func forgetUnmounted() {
        for mountPoint in probes.keys where mounts.stallingFileSystem(at: mountPoint) == nil {
            // Its process is free again when the server answers, or when the kernel gives up.
            probes[mountPoint] = nil
        }
    }
}

/// The process that asks file servers: it looks at each path it receives, bypassing the kernel's
/// cache (statx(2), `AT_STATX_FORCE_SYNC`), and answers with the path.
public final class MountHelper {
    private let socket: MessageSocket

    /// Talks to the daemon at the other end of `socket`.
    public init(_ socket: MessageSocket) {
        self.socket = socket
    }

    /// Serves until the daemon closes the connection.
    ///
    /// - Throws: `SystemCallError` if it cannot continue.
    public func run() throws {
        socket.received = { [socket] path in
            // Any answer proves that the server answers, even an error.
            FileStatus.ask(path)
            try? socket.sendWaiting(path)
        }
        while !socket.isFinished {
            _ = try socket.waitForMessage(milliseconds: -1)
            var events: [Event] = []
            try socket.drain(into: &events)
        }
    }
}
