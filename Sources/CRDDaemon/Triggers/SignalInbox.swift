// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux

/// Received signals that are not processed yet.
final class SignalInbox {
    private var signals: [SignalSource.Received] = []

    func add(_ signal: SignalSource.Received) {
        signals.append(signal)
    }

    func take() -> [SignalSource.Received] {
        defer { signals = [] }
        return signals
    }
}

extension SignalSource {
    convenience init(_ numbers: [CInt], into inbox: SignalInbox) throws(SystemCallError) {
        try self.init(numbers) { inbox.add($0) }
    }
}
