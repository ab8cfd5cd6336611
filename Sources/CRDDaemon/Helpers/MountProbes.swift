// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Logging

/// Finds out whether file servers answer before the daemon reads a module there. A helper process
/// for each server asks it.
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

    private final class Probe {
        var helper: HelperProcess?
        var isPending = false
        /// Whether a reading was refused because the server did not answer.
        var isMissed = false
        var answeredAt: Instant?
    }

    let mounts: MountMap
    private let helpers: HelperProcess.Roll
    private let logger: Logger
    private var probes: [[UInt8]: Probe] = [:]
    var patience = Patience.atStart
    /// Called when a server answers again after a reading was refused.
    var recovered: () -> Void = {}

    init(_ mounts: MountMap, helpers: HelperProcess.Roll, logger: Logger) {
        self.mounts = mounts
        self.helpers = helpers
        self.logger = logger
    }

    func objection(to mountPoint: [UInt8], _ type: FileSystemType) -> String? {
        forgetUnmounted()
        let probe = probes[mountPoint] ?? Probe()
        probes[mountPoint] = probe
        if let answered = probe.answeredAt, answered + Self.validity > Clock.now { return nil }
        let isRepeated = probe.isPending
        if !isRepeated { ask(probe, mountPoint) }
        let wait = isRepeated ? 0 : CInt(patience.nanoseconds / 1_000_000)
        if probe.isPending { _ = probe.helper?.waitForMessage(milliseconds: wait) }
        if let answered = probe.answeredAt, answered + Self.validity > Clock.now { return nil }
        probe.isMissed = true
        return "lies on \(type.name), whose server does not answer; see whether it is there, or "
            + "unmount it with umount -l"
    }

    private func ask(_ probe: Probe, _ mountPoint: [UInt8]) {
        guard let helper = probe.helper ?? start(probe) else { return }
        probe.isPending = helper.send(mountPoint)
    }

    private func start(_ probe: Probe) -> HelperProcess? {
        do {
            probe.helper = try helpers.start(
                .mounts,
                received: { [weak self, weak probe] _ in
                    guard let self, let probe else { return }
                    probe.isPending = false
                    probe.answeredAt = Clock.now
                    guard probe.isMissed else { return }
                    probe.isMissed = false
                    recovered()
                },
                ended: { [weak probe] _ in
                    probe?.isPending = false
                    probe?.helper = nil
                })
            return probe.helper
        } catch {
            logger.error("whether a file server answers cannot be found out: \(error)")
            return nil
        }
    }

    private func forgetUnmounted() {
        for (mountPoint, probe) in probes where mounts.stallingFileSystem(at: mountPoint) == nil {
            probe.helper?.dismiss()
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
