// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import CRDLinux
import FoundationEssentials
import Glibc

/// The process that asks the name service for users, which may wait for a directory server on the
/// network (nsswitch.conf(5)).
///
/// A request is a user's name, a reply an `Answer` as JSON. If the name service cannot be reached,
/// it is asked again until it answers.
public final class AccountHelper {
    struct Answer: Codable {
        let name: String
        /// Nil if the user does not exist.
        let account: UserAccount?
    }

    /// The time between two attempts to reach the name service, in milliseconds.
    private static let period: CInt = 5_000

    private let socket: MessageSocket
    private var names: [String] = []

    /// Talks to the daemon at the other end of `socket`.
    public init(_ socket: MessageSocket) {
        self.socket = socket
        socket.received = { [unowned self] in names.append(String(decoding: $0, as: UTF8.self)) }
    }

    /// Serves until the daemon closes the connection.
    ///
    /// - Throws: `SystemCallError` if it cannot continue.
    public func run() throws {
        while !socket.isFinished {
            // Unanswered names are retried after each period.
            if try socket.waitForMessage(milliseconds: names.isEmpty ? -1 : Self.period) {
                var events: [Event] = []
                try socket.drain(into: &events)
            }
            names = try names.filter { try !answer($0) }
        }
    }

    /// Asks for a user and sends the answer.
    ///
    /// - Returns: whether the name service has answered.
    private func answer(_ name: String) throws -> Bool {
        let account: UserAccount?
        do throws(SystemCallError) {
            account = try UserAccount.find(name)
        } catch {
            return false
        }
        let answer = Answer(name: name, account: account)
        try socket.sendWaiting(Array(JSONEncoder().encode(answer)))
        return true
    }
}
