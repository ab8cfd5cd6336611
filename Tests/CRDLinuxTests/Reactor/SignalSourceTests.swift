// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Testing

@testable import CRDLinux

@Suite("SignalSource", .timeLimit(.minutes(10)))
struct SignalSourceTests {
    @Test("takes signals over: standard ones fold, real-time ones queue") func order() async {
        await #expect(processExitsWith: .success) {
            let realTime: CInt = 40
            let reactor = try Reactor()
            var received: [SignalSource.Received] = []
            _ = try reactor.add(SignalSource([SIGUSR1, SIGTERM, realTime]) { received.append($0) })
            // To this thread: the others of a test do not block them.
            for number in [realTime, SIGTERM, SIGUSR1, SIGUSR1, realTime] {
                pthread_kill(pthread_self(), number)
            }
            _ = try reactor.turn { _ in received.count >= 4 }
            #expect(received.map(\.number).sorted() == [SIGUSR1, SIGTERM, realTime, realTime])
            #expect(received.allSatisfy { $0.pid == getpid() && $0.uid == getuid() })
            let history = try reactor.turn(for: .milliseconds(20))
            #expect(history.turns == 1 && received.count == 4)
        }
    }
}
