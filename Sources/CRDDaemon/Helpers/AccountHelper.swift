// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import CRDLinux
import FoundationEssentials
import Glibc

/// The process that asks the name service for users, which may wait for a directory server on the
/// network (nsswitch.conf(5)).
///
/// A request is a user's name, an answer an `Answer` as JSON. A name service that could not be asked
/// is asked again until it answers.
public final class AccountHelper {
    struct Answer: Codable {
        let name: String
        /// Nil where there is no such user.
        let account: UserAccount?
    }

    /// The time between two attempts to ask a name service that cannot be asked.
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
    /// - Throws: `SystemCallError` where it cannot go on.
    public func run() throws {
        while !socket.isFinished {
            // What was not answered is asked for again when the period is over.
            if try socket.waitForMessage(milliseconds: names.isEmpty ? -1 : Self.period) {
                var events: [Event] = []
                try socket.drain(into: &events)
            }
            names = try names.filter { try !answer($0) }
        }
    }

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
