// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc

/// What somebody sends to end a command: kept from ending it in the middle of a step (signalfd(2)).
public final class InterruptSignals {
    let source: SignalSource
    private let signals: [CInt]
    private let inbox = Inbox()

    private final class Inbox {
        var signal: CInt?
    }

    /// The first that came; nil as long as none has.
    public var signal: CInt? {
        var events: [Event] = []
        try? source.drain(into: &events)
        return inbox.signal
    }

    /// Takes over SIGINT, SIGTERM, SIGHUP and SIGQUIT for this process, those that it was not told to
    /// ignore (nohup(1)), and ignores SIGPIPE.
    ///
    /// - Throws: `SystemCallError`.
    public init() throws(SystemCallError) {
        Glibc.signal(SIGPIPE, SIG_IGN)
        signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].filter { crd_is_ignored($0) == 0 }
        source = try SignalSource(signals) { [inbox] received in
            inbox.signal = inbox.signal ?? received.number
        }
    }

    /// Those that came were heard; from now on they end the command.
    deinit {
        _ = signal
        SignalSource.unblock(signals)
    }
}
