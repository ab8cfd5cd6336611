// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc

/// The signals that users send to end a command, held back so that they do not end it in the middle
/// of a step (signalfd(2)).
public final class InterruptSignals {
    let source: SignalSource
    private let signals: [CInt]
    private let inbox = Inbox()

    private final class Inbox {
        var signal: CInt?
    }

    /// The first signal received; nil while there is none.
    public var signal: CInt? {
        var events: [Event] = []
        try? source.drain(into: &events)
        return inbox.signal
    }

    /// Receives SIGINT, SIGTERM, SIGHUP and SIGQUIT for this process, except those that were
    /// ignored from the start (nohup(1)), and ignores SIGPIPE.
    ///
    /// - Throws: `SystemCallError`.
    public init() throws(SystemCallError) {
        Glibc.signal(SIGPIPE, SIG_IGN)
        signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].filter { crd_is_ignored($0) == 0 }
        source = try SignalSource(signals) { [inbox] received in
            inbox.signal = inbox.signal ?? received.number
        }
    }

    /// Discards signals already received, and unblocks them: later ones end the command.
    deinit {
        _ = signal
        SignalSource.unblock(signals)
    }
}
