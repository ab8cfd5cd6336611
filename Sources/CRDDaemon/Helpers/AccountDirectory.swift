// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import FoundationEssentials
import Glibc
import Logging

/// The users that modules name, as a helper process has them from the name service, which may take
/// its time to answer (G14).
///
/// Each time the modules are read, the users they name are asked for anew. The daemon waits for the
/// answers for a moment, since they mostly come within a millisecond; what comes later is reported
/// by `changed`.
final class AccountDirectory {
    /// How long one reading of the modules may wait, in all.
    enum Patience {
        /// Nobody is served yet.
        static let atStart = Duration.seconds(1)
        static let inService = Duration.milliseconds(50)
    }

    private let helpers: HelperProcess.Roll
    private let logger: Logger
    private var helper: HelperProcess?
    /// The latest answers; nil within: there is no such user.
    private var answers: [String: UserAccount?] = [:]
    /// Asked for, and not answered yet.
    private var pending: Set<String> = []
    /// Answered since the modules began to be read.
    private var fresh: Set<String> = []
    private var deadline = Instant(nanoseconds: 0)
    /// Called with the name of a user of whom something else is known than before, outside a
    /// reading.
    var changed: (String) -> Void = { _ in }
    private var isReading = false

    init(_ helpers: HelperProcess.Roll, logger: Logger) {
        self.helpers = helpers
        self.logger = logger
    }

    /// The modules are being read: answers from before do not count as new.
    func read<Result>(waiting patience: Duration, _ body: () -> Result) -> Result {
        fresh = []
        deadline = Clock.now + patience
        isReading = true
        defer { isReading = false }
        return body()
    }

    /// Whether an answer is still to come.
    var isPending: Bool { !pending.isEmpty }

    /// What is known of a user.
    func find(_ name: String) -> AccountAnswer {
        if !fresh.contains(name) { ask(name) }
        while !fresh.contains(name), waitForAnswer() {}
        switch answers[name] {
        case .some(let account?): return .found(account)
        case .some(nil) where fresh.contains(name): return .unknown
        case .some(nil), nil: return .pending
        }
    }

    private func ask(_ name: String) {
        guard pending.insert(name).inserted else { return }
        guard let helper = helper ?? start(), helper.send(Array(name.utf8)) else {
            pending.remove(name)
            return
        }
    }

    /// - Returns: whether there was an answer within the reading's time (poll(2)).
    private func waitForAnswer() -> Bool {
        guard let helper else { return false }
        let left = Clock.now.duration(to: deadline).nanoseconds / 1_000_000
        guard left > 0, helper.waitForMessage(milliseconds: CInt(left)) else { return false }
        return true
    }

    private func start() -> HelperProcess? {
        do {
            helper = try helpers.start(
                .accounts, received: { [weak self] in self?.receive($0) },
                ended: { [weak self] in self?.end($0) })
            return helper
        } catch {
            logger.error("users cannot be looked up: \(error)")
            return nil
        }
    }

    private func receive(_ message: [UInt8]) {
        guard
            let answer = try? JSONDecoder().decode(AccountHelper.Answer.self, from: Data(message))
        else { return }
        pending.remove(answer.name)
        fresh.insert(answer.name)
        let former = answers.updateValue(answer.account, forKey: answer.name)
        if !isReading, former != .some(answer.account) { changed(answer.name) }
    }

    /// Whoever waits asks again with the next reading.
    private func end(_ termination: Termination) {
        logger.warning(
            "the process that looks up users has ended (\(termination)); it is started again")
        helper = nil
        let asked = pending
        pending = []
        for name in asked { changed(name) }
    }
}
