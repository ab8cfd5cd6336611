// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import DequeModule

/// One connection of the daemon's socket: its user, and the calls that are not answered yet.
final class ControlSession {
    let stream: SocketStream
    /// The user whose limit of connections this one counts towards.
    let user: UID
    /// Read once: the credentials stay those of the moment when the peer connected.
    private(set) lazy var peer = try? stream.peer()
    var token: Reactor.Token?
    private var framing = VarlinkFraming()
    /// Calls that wait until the previous answer was taken. The socket is not read meanwhile, so
    /// they all came in one read, and at most one answer waits to be written.
    private var calls = Deque<[UInt8]>()
    /// Whether one of its calls will be answered later.
    var isWaiting = false
    /// Whether it waits for its turn.
    var isQueued = false
    /// Whether it has listed all modules.
    var hasListed = false

    init(_ stream: SocketStream, of user: UID) {
        self.stream = stream
        self.user = user
    }

    func receive(_ bytes: ArraySlice<UInt8>) throws(VarlinkFraming.TooLong) {
        calls.append(contentsOf: try framing.feed(bytes))
    }

    /// Whether a call can be answered now.
    var canServe: Bool { !calls.isEmpty && !isWaiting && !stream.isWriting }

    func nextCall() -> [UInt8]? { calls.popFirst() }

    /// Reads nothing more while calls wait to be answered, so a fast client cannot make them grow.
    func pauseIfBusy() {
        stream.isPaused = !calls.isEmpty
    }
}
