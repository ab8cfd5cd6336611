// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Testing

/// Whole files, because only text has lines and columns.
@Suite("[[trigger.signal]]")
struct TriggerSignalTests {
    private func decode(_ keys: String) throws -> (Manifest, [String]) {
        let text = "[[trigger.signal]]\n\(keys)\n"
        let root = try TOMLDocument.parse(Array(text.utf8), file: "m")
        let (manifest, diagnostics) = Manifest.decode(
            root, file: "m", compile: Pattern.outline)
        return (manifest, diagnostics.map(\.description))
    }

    @Test(
        "takes names as kill(1) writes them, with or without SIG, and has one form for each",
        arguments: [
            ("USR1", "SIGUSR1", 10), ("SIGUSR2", "SIGUSR2", 12), ("RTMIN", "SIGRTMIN+0", 34),
            ("SIGRTMIN+0", "SIGRTMIN+0", 34), ("RTMIN+15", "SIGRTMIN+15", 49),
            ("SIGRTMAX-14", "SIGRTMIN+16", 50), ("RTMAX", "SIGRTMIN+30", 64),
            ("RTMAX-30", "SIGRTMIN+0", 34),
        ] as [(String, String, Int32)])
    func names(written: String, shown: String, number: Int32) throws {
        let (manifest, complaints) = try decode("signal = \"\(written)\"")
        #expect(complaints == [])
        #expect(manifest.signals.map(\.description) == [shown])
        #expect(manifest.signals.map(\.number) == [number])
    }

    @Test(
        "refuses others with a sentence",
        arguments: [
            ("HUP", "belongs to the daemon, which uses it to read its files again"),
            ("SIGTERM", "belongs to the daemon, which uses it to stop"),
            ("INT", "belongs to the daemon, which uses it to stop"),
            ("CHLD", "belongs to the daemon, which uses it to notice that a child has ended"),
            ("KILL", "cannot be caught by any program"),
            ("WINCH", "cannot be used as a trigger"),
            ("usr1", "cannot be used as a trigger"),
            ("RTMIN-1", "cannot be used as a trigger"),
            ("RTMIN+031", "cannot be used as a trigger"),
            ("RTMIN+31", "is beyond the real-time signals, RTMIN+0 to RTMIN+30"),
            ("", "cannot be used as a trigger"),
        ])
    func refused(written: String, reason: String) throws {
        let (manifest, complaints) = try decode("signal = \"\(written)\"")
        #expect(
            complaints == [
                "m:2:10: 'trigger.signal.signal': \"\(written)\" \(reason); it must be \"USR1\", "
                    + "\"USR2\", or a real-time signal from \"RTMIN+0\" to \"RTMAX-0\""
            ])
        #expect(manifest.signals == [])
    }

    @Test("a table without the key is told where it begins") func missing() throws {
        #expect(
            try decode("").1 == [
                "m:1:1: 'trigger.signal.signal' is missing; it must be \"USR1\", \"USR2\", or a "
                    + "real-time signal from \"RTMIN+0\" to \"RTMAX-0\""
            ])
    }
}
