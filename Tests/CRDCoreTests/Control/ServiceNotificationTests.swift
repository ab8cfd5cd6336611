// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("PendingNotifications")
struct ServiceNotificationTests {
    private static let start = ServiceNotification.starting(within: .seconds(130))
    private static let end = ServiceNotification.stopping(within: .seconds(20))

    @Test(
        "keep the newest of each kind, in order",
        arguments: [
            ([.alive, .alive], [.alive]),
            ([start, .ready(status: "a")], [start, .ready(status: "a")]),
            (
                [.ready(status: "a"), .reloading(microseconds: 1), .ready(status: "b")],
                [.reloading(microseconds: 1), .ready(status: "b")]
            ),
            ([.status("a"), .alive, .status("b")], [.alive, .status("b")]),
            ([.status("a"), .ready(status: "b")], [.ready(status: "b")]),
            ([.ready(status: "a"), .status("b")], [.ready(status: "a"), .status("b")]),
            (
                [
                    start, .ready(status: "a"), .reloading(microseconds: 1), .status("b"), .alive,
                    .reloading(microseconds: 2), .ready(status: "c"), .status("d"), end, .alive,
                ],
                [start, .reloading(microseconds: 2), .ready(status: "c"), end, .alive]
            ),
        ] as [([ServiceNotification], [ServiceNotification])])
    func newestOfEachKind(added: [ServiceNotification], kept: [ServiceNotification]) {
        var pending = PendingNotifications()
        for message in added { pending.add(message) }
        #expect(pending.messages == kept)
    }

    @Test(
        "are spelled as sd_notify(3) has them",
        arguments: [
            (start, "STATUS=Starting\nEXTEND_TIMEOUT_USEC=130000000"),
            (.ready(status: "1 module"), "READY=1\nSTATUS=1 module"),
            (.reloading(microseconds: 7), "RELOADING=1\nMONOTONIC_USEC=7\nSTATUS=Reloading"),
            (.status("x"), "STATUS=x"),
            (end, "STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=20000000"),
            (.alive, "WATCHDOG=1"),
        ] as [(ServiceNotification, String)])
    func spelling(message: ServiceNotification, text: String) {
        #expect(message.text == text)
    }
}
