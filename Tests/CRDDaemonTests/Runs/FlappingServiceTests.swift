// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The example's programs by themselves, as if tried by hand.
@Suite(
    "The example FlappingService", .takesTurns,
    .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
struct FlappingServiceTests {
    /// A machine with a few services, and the module.
    private final class Machine {
        let box: SystemdBox
        private let module = "/opt/CRD/modules/FlappingService"

        /// - Parameter services: names, each with more lines of `[Service]`. They fail until a file
        ///   `/srv/mended` exists.
        init(_ services: KeyValuePairs<String, String>) async throws {
            box = try SystemdBox()
            try await box.install(modules: ["FlappingService"])
            for (name, lines) in services {
                try box.write(
                    """
                    [Unit]
                    Description=$(touch /srv/evil) `touch /srv/evil` ; touch /srv/evil
                    [Service]
                    ExecStart=/bin/sh -c 'test -e /srv/mended && exec sleep 1000000'
                    \(lines)

                    """, to: "/etc/systemd/system/\(name)")
            }
            try await box.boot()
        }

        /// Starts a service, which may fail as often as it is told to.
        func start(_ name: String, failing times: Int = 1) async throws {
            for _ in 0..<times {
                try await box.run(
                    """
                    systemctl start -- '\(name)'
                    until systemctl is-failed -- '\(name)'; do sleep 0.02; done
                    """)
            }
        }

        func isActive(_ name: String) async throws -> Bool {
            try await box.outcome(of: "systemctl is-active -- '\(name)'").code == 0
        }

        /// Runs `check`.
        ///
        /// - Parameters:
        ///   - events: lines of `CRD_EVENTS`.
        ///   - settings: further variables.
        func check(
            _ events: [String] = [], _ settings: [String: String] = [:], then next: String = "cat"
        ) async throws -> Outcome {
            try box.write(events.map { $0 + "\n" }.joined(), to: "/srv/events")
            var variables = [
                "CRD_EVENTS": "/srv/events", "CRD_EVENT_COUNT": "\(events.count)",
                "CRD_STATE": "/srv",
            ]
            variables.merge(settings) { $1 }
            let words = variables.map { "\($0)='\($1)'" }.joined(separator: " ")
            return try await box.outcome(
                of: """
                    cd / && export \(words) && found=$(\(module)/check) || exit
                    printf '%s\\n' "$found" | \(next)
                    """)
        }

        /// Runs `check`, and `response` with what it prints.
        func heal(_ events: [String] = []) async throws -> Outcome {
            try await check(events, then: "\(module)/response")
        }

        /// A line of `CRD_EVENTS`.
        static func event(_ unit: String, message: String = "Failed.") throws -> String {
            let event: [String: Any] = [
                "trigger": "journal", "time": "2026-11-23T03:44:01.283473Z", "key": unit,
                "fields": ["MESSAGE": message, "UNIT": unit, "_PID": "1"], "captures": [:],
                "count": 3,
            ]
            let data = try JSONSerialization.data(
                withJSONObject: event, options: .withoutEscapingSlashes)
            return String(decoding: data, as: UTF8.self)
        }
    }

    @Test("starts what an event names and systemd shows as failed, and nothing else")
    func events() async throws {
        let machine = try await Machine(["flappy.service": "", "other.service": ""])
        let event = try Machine.event("flappy.service")
        #expect(try await machine.check([event]).code == 1)
        try await machine.start("flappy.service")
        try await machine.start("other.service")
        let checked = try await machine.check([
            Machine.event("unknown.service"), event, event,
        ])
        #expect(checked.code == 0 && checked.output == "flappy.service\n", "\(checked)")
        try machine.box.write("", to: "/srv/mended")
        let healed = try await machine.heal([event])
        #expect(healed.code == 0, "\(healed)")
        #expect(healed.output == "started again: flappy.service\n", "\(healed)")
        #expect(try await machine.isActive("flappy.service"))
        #expect(try await !machine.isActive("other.service"))
        let again = try await machine.check([event])
        #expect(again.code == 1 && again.errors.isEmpty, "\(again)")
    }

    @Test("counts in the journal itself when no event says anything")
    func net() async throws {
        let machine = try await Machine(["flappy.service": "", "once.service": ""])
        #expect(try await machine.check().code == 1)
        try await machine.start("once.service")
        try await machine.start("flappy.service", failing: 3)
        let checked = try await machine.check()
        #expect(checked.code == 0 && checked.output == "flappy.service\n", "\(checked)")
        let more = try await machine.check([], ["FAILURES": "4"])
        #expect(more.code == 1 && more.errors.isEmpty, "\(more)")
        let fewer = try await machine.check([], ["FAILURES": "1", "WITHIN": "1h"])
        #expect(fewer.output == "flappy.service\nonce.service\n", "\(fewer)")
        try await machine.box.run("sleep 1.1")
        let sooner = try await machine.check([], ["WITHIN": "1s"])
        #expect(sooner.code == 1 && sooner.errors.isEmpty, "\(sooner)")
    }

    @Test("leaves alone what systemd is about to restart, until it gives up")
    func restarting() async throws {
        let machine = try await Machine([
            "later.service": "Restart=on-failure\nRestartSec=1h",
            "flappy.service": "Restart=on-failure\nRestartSec=50ms",
        ])
        try await machine.box.run(
            "systemctl start later.service; while systemctl is-active later.service; do :; done")
        let later = try await machine.check([Machine.event("later.service")])
        #expect(later.code == 1 && later.errors.isEmpty, "\(later)")
        try await machine.start("flappy.service")
        let refused = try await machine.box.outcome(of: "systemctl start flappy.service")
        #expect(refused.code != 0, "systemd has given up")
        try machine.box.write("", to: "/srv/mended")
        #expect(try await machine.heal([Machine.event("flappy.service")]).code == 0)
        #expect(try await machine.isActive("flappy.service"))
    }

    @Test("starts no other than UNITS name")
    func units() async throws {
        let names = ["a.service", "b.service", "c-1.service"]
        let machine = try await Machine(["a.service": "", "b.service": "", "c-1.service": ""])
        for name in names { try await machine.start(name) }
        let events = try names.map { try Machine.event($0) }
        func found(_ units: String) async throws -> [Substring] {
            try await machine.check(events, ["UNITS": units]).output.split(separator: "\n")
        }
        #expect(try await found("") == ["a.service", "b.service", "c-1.service"])
        #expect(try await found("*") == ["a.service", "b.service", "c-1.service"])
        #expect(try await found("c-* a.service") == ["a.service", "c-1.service"])
        #expect(try await found("[ab].service") == ["a.service", "b.service"])
        #expect(try await found("/etc/*").isEmpty)
    }

    @Test("starts none more often than RESTARTS in an hour, and says so")
    func restarts() async throws {
        let machine = try await Machine(["flappy.service": "", "other.service": ""])
        let event = try Machine.event("flappy.service")
        for _ in 0..<3 {
            try await machine.start("flappy.service")
            let healed = try await machine.heal([event])
            #expect(healed.output.hasPrefix("started again: flappy"), "\(healed)")
            try await machine.box.run(
                "until systemctl is-failed flappy.service; do sleep 0.02; done")
        }
        let left = try await machine.heal([event])
        #expect(left.code == 1, "\(left)")
        #expect(left.errors.hasPrefix("<4>flappy.service is left to you: 3 restarts"), "\(left)")
        let quiet = try await machine.check([event], ["CRD_TRIGGER": "interval"])
        #expect(quiet.code == 1 && quiet.errors.isEmpty, "\(quiet)")
        #expect(try await machine.check([event], ["RESTARTS": "4"]).code == 0)
        try await machine.start("other.service")
        #expect(try await machine.heal([Machine.event("other.service")]).code == 0)

        // An hour later.
        let restarts = try #require(machine.box.read("/srv/restarts"))
        #expect(restarts.split(separator: "\n").count == 4)
        let earlier = restarts.split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            return "\((Int(words[0]) ?? 0) - 3_601) \(words[1])\n"
        }
        try machine.box.write(earlier.joined(), to: "/srv/restarts")
        #expect(try await machine.heal([event]).code == 0)
        #expect(machine.box.read("/srv/restarts")?.split(separator: "\n").count == 1)
    }

    @Test("takes names with anything that systemd allows in them")
    func strangeNames() async throws {
        let machine = try await Machine([
            "-dash.service": "", #"we\x2dird.service"#: "", "inst@.service": "",
            "x:y_z.service": "",
        ])
        let names = [
            "-dash.service", "inst@a.b-1.service", #"we\x2dird.service"#, "x:y_z.service",
        ]
        for name in names { try await machine.start(name) }
        let events = try names.map { try Machine.event($0) }
        let checked = try await machine.check(events)
        #expect(checked.output == names.joined(separator: "\n") + "\n", "\(checked)")
        try machine.box.write("", to: "/srv/mended")
        let healed = try await machine.heal(events)
        #expect(healed.code == 0, "\(healed)")
        for name in names { #expect(try await machine.isActive(name), "\(name)") }
    }

    @Test("does nothing that a message says")
    func hostile() async throws {
        let machine = try await Machine(["flappy.service": "", "victim.service": ""])
        try await machine.start("flappy.service")
        try await machine.start("victim.service")
        let evil = [
            "$(touch /srv/evil)", "`touch /srv/evil`", "; touch /srv/evil;",
            "'; touch /srv/evil; '",
            "\n$(touch /srv/evil)\n", "x\",\"UNIT\":\"victim.service",
            "x\\\",\"UNIT\":\"victim.service",
            "\"UNIT\":\"victim.service\"", "victim.service\n", "-- victim.service", "*", "victim*",
            "../../srv/evil", "victim.service flappy.service",
        ]
        let events =
            try evil.map { try Machine.event($0) }
            + evil.map { try Machine.event("flappy.service", message: $0) }
        let checked = try await machine.check(events)
        #expect(checked.code == 0 && checked.output == "flappy.service\n", "\(checked)")
        #expect(checked.errors.isEmpty)
        try machine.box.write("", to: "/srv/mended")
        #expect(try await machine.heal(events).code == 0)
        #expect(try await !machine.isActive("victim.service"))
        #expect(machine.box.read("/srv/evil") == nil)

        // Nor does the response accept anything that is not a name.
        for text in evil where text != "victim.service\n" {
            try machine.box.write(text, to: "/srv/input")
            let response = "/opt/CRD/modules/FlappingService/response"
            let outcome = try await machine.box.outcome(of: "\(response) </srv/input")
            #expect(outcome.code != 0, "\(text): \(outcome)")
        }
        #expect(try await !machine.isActive("victim.service"))
        #expect(machine.box.read("/srv/evil") == nil)
    }

    @Test("says that it cannot tell")
    func cannotTell() async throws {
        let machine = try await Machine([:])
        let number = try await machine.check([], ["RESTARTS": "many"])
        #expect(number.code == 2 && number.errors.contains("must be numbers"), "\(number)")
        try await machine.box.run(
            "mv /usr/bin/systemctl /srv && ln -s /bin/false /usr/bin/systemctl")
        #expect(try await machine.check().code == 2)
    }
}
