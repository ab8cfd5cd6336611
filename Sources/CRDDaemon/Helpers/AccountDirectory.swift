// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import FoundationEssentials
import Glibc
import Logging

/// The accounts of the users that modules name. A helper process gets them from the name service,
/// which may be slow (G14).
///
/// Each reading of the modules asks for their users again. The daemon waits briefly for the
/// answers, since most of them come within a millisecond; `changed` reports later answers.
final class AccountDirectory {
    /// How long one reading of the modules may wait in total.
    enum Patience {
        /// The daemon does not serve anybody yet.
        static let atStart = Duration.seconds(1)
        static let inService = Duration.milliseconds(50)
    }

    private let helpers: HelperProcess.Roll
    private let logger: Logger
    private var helper: HelperProcess?
    /// The latest answers; an inner nil means that the user does not exist.
    private var answers: [String: UserAccount?] = [:]
    /// Users whose answers are pending.
    private var pending: Set<String> = []
    /// Users whose answers came since the current reading of the modules began.
    private var fresh: Set<String> = []
    private var deadline = Instant(nanoseconds: 0)
    /// Called with a user's name when the user's account has changed, unless the current reading
    /// has asked for it.
    var changed: (String) -> Void = { _ in }
    /// The users that the current reading has asked for.
    private var sought: Set<String> = []

    init(_ helpers: HelperProcess.Roll, logger: Logger) {
        self.helpers = helpers
        self.logger = logger
    }

    /// Runs a reading of the modules, during which earlier answers do not count as fresh.
    func read<Result>(waiting patience: Duration, _ body: () -> Result) -> Result {
        fresh = []
        deadline = Clock.now + patience
        defer { sought = [] }
        return body()
    }

    /// Whether an answer is pending.
    var isPending: Bool { !pending.isEmpty }

    /// Returns the account of a user, and waits for it within the reading's time.
    func find(_ name: String) -> AccountAnswer {
        sought.insert(name)
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

    /// Waits for an answer (poll(2)).
    ///
    /// - Returns: whether one came within the reading's time.
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
        if !sought.contains(answer.name), former != .some(answer.account) { changed(answer.name) }
    }

    /// Reports the users whose answers were pending; the next reading asks for them again.
    private func end(_ termination: Termination) {
        logger.warning(
            "the process that looks up users has ended (\(termination)); it is being restarted")
        helper = nil
        let asked = pending
        pending = []
        for name in asked { changed(name) }
    }
}
