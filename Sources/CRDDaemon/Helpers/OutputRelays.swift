// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import Logging
import SystemPackage

/// The relays for the output of roles that run as other users than the daemon: one for each user,
/// started with that user's first run.
final class OutputRelays {
    /// How many relays are kept that no run needs at the moment.
    private static let idleMax = 8
    /// How long a stop of the daemon waits for the last lines of output.
    private static let finalPatience = Duration.seconds(1)

    /// The outputs of one role, on their way through a relay.
    final class Channel {
        fileprivate let relay: OutputRelay
        fileprivate let number: OutputRelay.Number
        fileprivate let sources: [PipeSource]

        fileprivate init(
            _ relay: OutputRelay, _ number: OutputRelay.Number, _ sources: [PipeSource]
        ) {
            self.relay = relay
            self.number = number
            self.sources = sources
        }

        /// Whether all processes that could print have closed their ends.
        var isFinished: Bool { sources.allSatisfy(\.isFinished) }

        /// Takes note that its run is over.
        func release() { relay.release(number) }
    }

    /// Why no relay can be had.
    struct Stuck: Error, CustomStringConvertible {
        let user: String

        var description: String {
            "the process that reads the output of roles running as '\(user)' does not answer: a process of that user keeps a pipe locked; end all processes of '\(user)', and unmount that user's file systems"
        }
    }

    private let helpers: HelperProcess.Roll
    /// How long a relay may take to answer.
    private var patience = OutputRelay.patience
    private let logger: Logger
    /// The latest use comes last.
    private var relays: [OutputRelay] = []
    private var lastNumber: OutputRelay.Number = 0
    /// Those whose wait is over.
    private var due: [OutputRelay.Sequel] = []

    init(_ helpers: HelperProcess.Roll, logger: Logger) {
        self.helpers = helpers
        self.logger = logger
    }

    /// Whether somebody's wait is over.
    var hasBacklog: Bool { !due.isEmpty }

    var deadline: Instant? { relays.compactMap(\.deadline).min() }

    /// Puts a relay before both pipes of a role: their children's ends become those of pipes that
    /// belong to the user, and that the daemon cannot read.
    ///
    /// - Throws: `SystemCallError`; `Stuck`; what starting a helper throws.
    func open(_ outputs: [SpawnSupplies.Pipe], for user: UserAccount) throws -> Channel {
        let relay = try relay(for: user)
        lastNumber += 1
        let pipes = try outputs.map { _ in try UserPipe(of: user) }
        let descriptors = zip(pipes, outputs).flatMap { [$0.reading.rawValue, $1.childEnd] }
        guard relay.open(lastNumber, descriptors) else { throw Stuck(user: user.name) }
        for (pipe, output) in zip(pipes, outputs) { output.replaceChildEnd(pipe.writing) }
        return Channel(relay, lastNumber, outputs.map(\.source))
    }

    /// Calls `sequel` once everything that was printed so far has been received, or when the relay
    /// takes too long.
    func settle(_ channel: Channel, _ sequel: @escaping OutputRelay.Sequel) {
        for source in channel.sources { source.isUrgent = true }
        channel.relay.settle(channel.number, within: patience) { events in
            for source in channel.sources {
                source.readRest()
                source.isUrgent = false
            }
            sequel(&events)
        }
    }

    /// Lets nobody wait for longer than that from now on, since the daemon stops.
    func hasten(within patience: Duration) {
        self.patience = min(self.patience, patience)
        for relay in relays { relay.hasten(by: Clock.now + self.patience) }
    }

    /// Calls those who wait, if their output has been received or takes too long.
    func callDue(into events: inout [Event]) {
        let now = Clock.now
        for relay in relays {
            if relay.passDeadline(at: now) {
                logger.warning(
                    "\(Stuck(user: relay.user.name)); until it answers, that user's roles do not run"
                )
            }
            guard let end = relay.unexpectedEnd else { continue }
            logger.warning(
                "the process that reads the output of roles running as '\(relay.user.name)' has ended (\(end)), and what they were printing is lost; it will be restarted"
            )
        }
        relays.removeAll(where: \.hasEnded)
        let sequels = due
        due = []
        for sequel in sequels { sequel(&events) }
    }

    /// Receives what roles have printed whose runs are over, while the daemon stops.
    func finish() {
        let end = Clock.now + Self.finalPatience
        var events: [Event] = []
        for relay in relays { relay.waitForAnswers(until: end) }
        callDue(into: &events)
    }

    private func relay(for user: UserAccount) throws -> OutputRelay {
        if let index = relays.firstIndex(where: { $0.user.uid == user.uid && !$0.isDismissed }) {
            let relay = relays.remove(at: index)
            relays.append(relay)
            if relay.isStuck { throw Stuck(user: user.name) }
            return relay
        }
        let relay = try OutputRelay(of: user, helpers) { [weak self] in self?.due.append($0) }
        relays.append(relay)
        dismissOldest()
        return relay
    }

    /// Dismisses those that have been idle for longest. One that lives on, since its user's
    /// leftovers still print, is the only one of its user.
    private func dismissOldest() {
        let leaving = Set(relays.filter(\.isDismissed).map(\.user.uid))
        let idle = relays.filter { $0.isIdle && !leaving.contains($0.user.uid) }
        for relay in idle.dropLast(Self.idleMax) { relay.dismiss() }
    }
}

/// A pipe that a user's role prints into.
private final class UserPipe {
    let reading: SharedDescriptor
    let writing: SharedDescriptor

    init(of user: UserAccount) throws(SystemCallError) {
        let (reading, writing) = try PipeSource.makeEnds()
        self.reading = reading
        self.writing = SharedDescriptor(Descriptor(adopting: writing))
        try PipeSource.give(writing, to: user)
    }
}
