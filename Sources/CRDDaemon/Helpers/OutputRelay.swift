// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// The helper process that reads the output of one user's roles.
///
/// A user can hold the lock of its own pipe for as long as it likes: by writing from memory that a
/// file server of its own supplies. Whoever reads that pipe or closes an end of it then waits in the
/// kernel, and not even SIGKILL ends the wait. So the daemon has no end of such a pipe: a helper
/// reads it, and passes on what it reads through a second pipe, which the user does not get.
final class OutputRelay {
    /// Identifies the outputs of one role to the helper.
    typealias Number = UInt64

    /// What follows when a role's output has been received.
    typealias Sequel = (inout [Event]) -> Void

    /// A message names a role. Together with four descriptors, it makes the helper pass on that
    /// role's output: read the first and write into the second, read the third and write into the
    /// fourth. Alone, it asks for everything that was printed so far; the answer is the same
    /// message, once that is in the daemon's pipes.
    static func encode(_ number: Number) -> [UInt8] { withUnsafeBytes(of: number, Array.init) }

    static func decode(_ message: [UInt8]) -> Number {
        message.withUnsafeBytes { $0.count < 8 ? 0 : $0.loadUnaligned(as: Number.self) }
    }

    /// How long the helper may take to answer. All of one user's roles share it, so nobody else
    /// suffers.
    static let patience = Duration.seconds(5)
    /// How long it may take when that is over: the machine may have slept, or the daemon may have
    /// been stopped, and the helper with it.
    private static let secondPatience = Duration.seconds(1)
    static let longestWait = patience + secondPatience

    /// Somebody who waits for what was printed so far.
    private struct Wait {
        let number: Number
        var deadline: Instant
        var isSecondChance = false
        let sequel: Sequel
    }

    let user: UserAccount
    /// Kept to its end, which only it reports. A dismissed helper takes no message.
    private var helper: HelperProcess?
    private var waits: [Wait] = []
    /// Receives those whose wait is over.
    private let finished: (@escaping Sequel) -> Void
    /// The roles of runs in progress.
    private var inUse: Set<Number> = []
    /// Whether the helper has failed to answer in time. It cannot be replaced before it has ended:
    /// each run of the user's could make another one hang.
    private(set) var isStuck = false
    /// Whether the helper was let go.
    private(set) var isDismissed = false
    /// Whether nothing is left of the helper.
    private(set) var hasEnded = false
    /// How the helper ended, if nobody had dismissed it.
    private(set) var unexpectedEnd: Termination?

    init(
        of user: UserAccount, _ helpers: HelperProcess.Roll,
        finished: @escaping (@escaping Sequel) -> Void
    ) throws {
        self.user = user
        self.finished = finished
        helper = try helpers.start(
            .outputs, received: { [weak self] in self?.settle(Self.decode($0)) },
            ended: { [weak self] in self?.end($0) })
    }

    /// Whether no run needs it at the moment.
    var isIdle: Bool { inUse.isEmpty && waits.isEmpty && !isDismissed && !isStuck }

    var deadline: Instant? { waits.map(\.deadline).min() }

    /// Passes on the output of a role from now on.
    ///
    /// - Parameter descriptors: two pairs, each of a pipe to read and one to write into.
    /// - Returns: whether the helper got them.
    func open(_ number: Number, _ descriptors: [CInt]) -> Bool {
        guard let helper, helper.send(Self.encode(number), passing: descriptors) else {
            return false
        }
        inUse.insert(number)
        return true
    }

    /// Waits until everything that the role has printed so far is in the daemon's pipes, or until
    /// that takes too long.
    func settle(_ number: Number, within patience: Duration, _ sequel: @escaping Sequel) {
        guard let helper, helper.send(Self.encode(number)) else { return finished(sequel) }
        waits.append(Wait(number: number, deadline: Clock.now + patience, sequel: sequel))
    }

    /// Takes note that nobody will ask for the role's output any more. What is still printed is
    /// passed on as long as somebody reads it.
    func release(_ number: Number) { inUse.remove(number) }

    /// Gives up on a helper that has not answered in time.
    ///
    /// - Returns: whether it was given up just now.
    func passDeadline(at now: Instant) -> Bool {
        guard let index = waits.firstIndex(where: { $0.deadline <= now }) else { return false }
        guard waits[index].isSecondChance else {
            waits[index].isSecondChance = true
            waits[index].deadline = now + Self.secondPatience
            return false
        }
        isStuck = true
        letGo()
        return true
    }

    /// Lets nobody wait for longer than that.
    func hasten(by end: Instant) {
        for index in waits.indices {
            waits[index].deadline = min(waits[index].deadline, end)
            waits[index].isSecondChance = true
        }
    }

    /// Lets the helper end as soon as all outputs have ended.
    func dismiss() {
        isDismissed = true
        letGo()
    }

    private func letGo() {
        helper?.dismiss()
        settleAll()
    }

    /// Waits for the helper's answers, while the daemon stops.
    func waitForAnswers(until end: Instant) {
        while !waits.isEmpty, let helper {
            let left = Clock.now.duration(to: end).nanoseconds / 1_000_000
            guard left > 0, helper.waitForMessage(milliseconds: CInt(left)) else { return }
        }
    }

    private func settle(_ number: Number) {
        guard let index = waits.firstIndex(where: { $0.number == number }) else { return }
        finished(waits.remove(at: index).sequel)
    }

    private func settleAll() {
        for wait in waits { finished(wait.sequel) }
        waits = []
    }

    private func end(_ termination: Termination) {
        hasEnded = true
        if !isDismissed, !isStuck { unexpectedEnd = termination }
        helper = nil
        settleAll()
    }
}
