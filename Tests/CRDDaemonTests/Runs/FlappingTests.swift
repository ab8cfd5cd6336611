// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// End to end: real units fail, the real systemd says so in the real journal, the daemon runs as
/// its service, and the example module deals with it.
@Suite(
    "A service that fails again and again", .takesTurns,
    .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
struct FlappingTests {
    /// A machine on which crd.service runs with FlappingService.
    private final class Machine {
        let box: SystemdBox

        init(prepare: (SystemdBox) throws -> Void) async throws {
            box = try SystemdBox()
            try await box.install(modules: ["FlappingService"])
            try prepare(box)
            try await box.boot()
            try await box.run("systemctl start crd.service")
            try await eventually("it listens") { try await module()?.state == "idle" }
        }

        /// Notes each start in `/srv/NAME`, and ends with an error unless there were `failures` of
        /// them before.
        static func add(
            _ name: String, to box: SystemdBox, failures: Int, unit: String = "",
            service: String = "", before: String = ":"
        ) throws {
            try box.write(
                """
                #!/bin/sh
                echo >>/srv/\(name)
                \(before)
                [ "$(wc -l </srv/\(name))" -gt \(failures) ] && exec sleep 1000000

                """, to: "/usr/local/bin/\(name)", mode: 0o755)
            try box.write(
                """
                [Unit]
                \(unit)
                [Service]
                ExecStart=/usr/local/bin/\(name)
                \(service)

                """, to: "/etc/systemd/system/\(name).service")
        }

        func module() async throws -> Listing.Module? {
            let outcome = try await box.outcome(of: "crd list --json")
            guard outcome.code == 0 else { return nil }
            let listing = try JSONDecoder().decode(Listing.self, from: Data(outcome.output.utf8))
            return listing.modules.first { $0.name == "FlappingService" }
        }

        func starts(of name: String) -> Int {
            box.read("/srv/\(name)")?.utf8.count ?? 0
        }

        func state(of name: String) async throws -> String {
            try await box.outcome(of: "systemctl is-active \(name).service").output
                .trimmingCharacters(in: .newlines)
        }

        /// Starts a service, and waits until it has failed.
        func fail(_ name: String) async throws {
            try await box.run("systemctl start \(name).service")
            try await eventually("\(name) has failed") { try await state(of: name) == "failed" }
        }

        /// Waits until it runs, after that many starts.
        func expectHealed(_ name: String, starts count: Int) async throws {
            do {
                try await eventually("\(name) is started once more") { starts(of: name) == count }
                try await eventually("\(name) runs") { try await state(of: name) == "active" }
            } catch {
                Issue.record("\(try await box.journal())")
                throw error
            }
        }
    }

    @Test("is started again at its third failure, and not before")
    func thirdFailure() async throws {
        let machine = try await Machine { try Machine.add("flappy", to: $0, failures: 3) }
        for _ in 0..<2 { try await machine.fail("flappy") }
        try await Task.sleep(for: .seconds(1))
        #expect(try await machine.state(of: "flappy") == "failed")
        #expect(machine.starts(of: "flappy") == 2)
        // It may run again before systemctl reports its failure.
        try await machine.box.run("systemctl start flappy.service")
        try await machine.expectHealed("flappy", starts: 4)

        // Long before the next interval.
        try await eventually("the run is over") { try await machine.module()?.responses == 1 }
        #expect(try await machine.module()?.last?.trigger == "journal")
        let log = try await machine.box.journal("--output=cat --identifier=crd.FlappingService")
        #expect(log.contains("started again: flappy.service"), "\(log)")
        try await Task.sleep(for: .seconds(1))
        #expect(machine.starts(of: "flappy") == 4)
    }

    @Test("is started again when systemd has given up")
    func givenUp() async throws {
        let machine = try await Machine {
            try Machine.add(
                "flappy", to: $0, failures: 2, unit: "StartLimitBurst=2",
                service: "Restart=on-failure\nRestartSec=300ms")
        }
        // A second failure, and no third: systemd refuses.
        try await machine.box.run("systemctl start flappy.service")
        try await machine.expectHealed("flappy", starts: 3)
        try await eventually("the run is over") { try await machine.module()?.responses == 1 }
        #expect(try await machine.module()?.last?.trigger == "journal")
    }

    @Test("is left alone when it cannot run at all")
    func hopeless() async throws {
        let machine = try await Machine {
            try Machine.add(
                "hopeless", to: $0, failures: 1_000, unit: "StartLimitBurst=2",
                service: "Restart=on-failure\nRestartSec=10ms")
        }
        try await machine.box.run("systemctl start hopeless.service")
        try await eventually("it is given up") {
            try await machine.box.journal("-u crd.service").contains(
                "hopeless.service is left to you")
        }
        // Two at first, and two for each of the three restarts.
        #expect(machine.starts(of: "hopeless") == 8)
        try await Task.sleep(for: .seconds(1))
        #expect(machine.starts(of: "hopeless") == 8)
        #expect(try await machine.module()?.responses == 3)
    }

    @Test("can have nothing executed, and no other service started, by what it says")
    func hostile() async throws {
        let evil = "$(touch /srv/evil) `touch /srv/evil` ; touch /srv/evil ; '\"; touch /srv/evil"
        let machine = try await Machine {
            try Machine.add("victim", to: $0, failures: 1)
            try Machine.add(
                "flappy", to: $0, failures: 3, unit: "Description=\(evil)",
                before: "cat /srv/words /srv/words >&2; logger --journald </srv/entry")
            try $0.write("\(evil)\n\",\"UNIT\":\"victim.service\",\"\n", to: "/srv/words")
            // What process 1 says when a unit has failed or is given up; but the sender is another.
            try $0.write(
                """
                MESSAGE=victim.service: Start request repeated too quickly.
                MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c
                UNIT=victim.service
                _PID=1

                """, to: "/srv/entry")
        }
        try await machine.fail("victim")
        for _ in 0..<2 { try await machine.fail("flappy") }
        try await machine.box.run("systemctl start flappy.service")
        try await machine.expectHealed("flappy", starts: 4)
        try await Task.sleep(for: .seconds(1))
        let forged = try await machine.box.journal(
            "MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c UNIT=victim.service --output=cat")
        #expect(forged.split(separator: "\n").count >= 4, "\(forged)")
        #expect(machine.starts(of: "victim") == 1)
        #expect(try await machine.state(of: "victim") == "failed")
        #expect(machine.box.read("/srv/evil") == nil)
        #expect(try await machine.module()?.responses == 1)
    }
}
