// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The daemon as crd.service of a real systemd.
@Suite(
    "As a service", .takesTurns, .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
struct ServiceTests {
    private func property(_ name: String, in box: SystemdBox) async throws -> String {
        try await box.run("systemctl show --value --property=\(name) crd.service")
            .trimmingCharacters(in: .newlines)
    }

    private func add(
        _ module: String, check: String, to box: SystemdBox, manifest: String = ""
    ) throws {
        let path = "/opt/CRD/modules/\(module)"
        try box.write("#!/bin/sh\n\(check)\n", to: "\(path)/check", mode: 0o755)
        try box.write("#!/bin/sh\nexit 0\n", to: "\(path)/response", mode: 0o755)
        try box.write(manifest, to: "\(path)/module.toml")
    }

    @Test("is active when it is ready, says how it is, and stops")
    func readiness() async throws {
        let box = try SystemdBox()
        try await box.install()
        try add("Well", check: "exit 1", to: box)
        try add("Broken", check: "exit 1", to: box, manifest: "intervall = 1\n")
        try await box.boot()
        try await box.run("systemctl start crd.service")
        #expect(try await property("Type", in: box) == "notify")
        #expect(try await property("ActiveState", in: box) == "active")
        #expect(try await property("StatusText", in: box) == "2 modules: 1 failed; see crd list")
        // The armed daemon answers.
        #expect(try await box.outcome(of: "crd list").code == 0)
        try await box.run("systemctl stop crd.service")
        #expect(try await property("Result", in: box) == "success")
        #expect(try await box.journal("-u crd.service --output=cat").contains("stopped"))
    }

    @Test("tells when a module's health changes")
    func status() async throws {
        let box = try SystemdBox()
        try await box.install()
        try add(
            "Moody", check: "[ -e /srv/well ] || exit 1; exit 1", to: box,
            manifest: "interval = '100ms'\n")
        try await box.boot()
        try await box.run("systemctl start crd.service")
        #expect(try await property("StatusText", in: box) == "1 module, all well")
        try await box.run("chmod o+w /opt/CRD/modules/Moody/check")
        try await eventually("it is told") {
            try await property("StatusText", in: box) == "1 module: 1 failed; see crd list"
        }
        // Failures of a check or a response are reported, too.
        try add("Erring", check: "exit 5", to: box)
        try add("Failing", check: "exit 0", to: box)
        try box.write("#!/bin/sh\nexit 3\n", to: "/opt/CRD/modules/Failing/response", mode: 0o755)
        try await eventually("it is told") {
            try await property("StatusText", in: box)
                == "3 modules: 1 failed, 1 with a check that ended in an error, "
                + "1 with a response that failed; see crd list"
        }
        try await box.run("rm -r /opt/CRD/modules/Erring /opt/CRD/modules/Failing")
        try await box.run("chmod o-w /opt/CRD/modules/Moody/check")
        try await eventually("it is told") {
            try await property("StatusText", in: box) == "1 module, all well"
        }
    }

    @Test("is killed and started again when its loop hangs, and not while it turns")
    func watchdog() async throws {
        let box = try SystemdBox()
        try await box.install()
        try add("Well", check: "exit 1", to: box)
        try box.write(
            """
            [Service]
            WatchdogSec=2s
            Environment=CRD_DEBUG_HANG_IF=/run/hang
            # Swift's own look at what has crashed, which a release has not.
            Environment=SWIFT_BACKTRACE=enable=no

            """,
            to: "/etc/systemd/system/crd.service.d/watchdog.conf")
        try await box.boot()
        try await box.run("systemctl start crd.service")
        let pid = try await property("MainPID", in: box)
        try await Task.sleep(for: .seconds(5))
        #expect(try await property("MainPID", in: box) == pid, "fed without any event")
        // It hangs at the next turn of its loop.
        try await box.run("touch /run/hang")
        try await eventually("it is killed") { try await property("NRestarts", in: box) != "0" }
        try await box.run("rm /run/hang")
        try await eventually("it is active again") {
            try await property("ActiveState", in: box) == "active"
        }
        #expect(try await property("MainPID", in: box) != pid)
        #expect(try await box.journal("-u crd.service --output=cat").contains("Watchdog timeout"))
    }

    @Test("is reloaded when systemctl reload returns, which fails where a file is faulty")
    func reload() async throws {
        let box = try SystemdBox()
        try await box.install()
        try add(
            "Log", check: "echo \"$LEVEL\" >>/srv/levels; exit 1", to: box,
            manifest: "environment = { LEVEL = 'one' }\n")
        try await box.boot()
        try await box.run("systemctl start crd.service")
        let pid = try await property("MainPID", in: box)
        try add("New", check: "exit 1", to: box)
        try box.write("environment = { LEVEL = 'two' }\n", to: "/opt/CRD/modules/Log/module.toml")
        try await box.run("systemctl reload crd.service")
        #expect(try await property("StatusText", in: box) == "2 modules, all well")
        try await eventually("it is checked anew") { box.read("/srv/levels") == "one\ntwo\n" }

        try box.write("environmen = { LEVEL = 'three' }\n", to: "/opt/CRD/modules/Log/module.toml")
        #expect(try await box.outcome(of: "systemctl reload crd.service").code == 1)
        #expect(try await property("ActiveState", in: box) == "active")
        #expect(
            try await property("StatusText", in: box)
                == "2 modules: 1 with faulty files, their previous content active; see crd list")
        // Whoever reported it first, it is still so.
        #expect(try await box.outcome(of: "systemctl reload crd.service").code == 1)
        let told = try await box.journal("-u crd.service --output=cat")
        #expect(told.contains("/opt/CRD/modules/Log/module.toml:1:1: unknown key 'environmen'"))
        try box.write("slots = 0\n", to: "/etc/CRD/crd.conf")
        try box.write("environment = { LEVEL = 'four' }\n", to: "/opt/CRD/modules/Log/module.toml")
        #expect(try await box.outcome(of: "systemctl reload crd.service").code == 1)
        try await eventually("the module is taken") {
            box.read("/srv/levels") == "one\ntwo\nfour\n"
        }
        #expect(
            try await property("StatusText", in: box)
                == "2 modules: crd.conf faulty, its previous content active; see crd list")
        try await box.run("rm /etc/CRD/crd.conf; systemctl reload crd.service")
        #expect(try await property("StatusText", in: box) == "2 modules, all well")
        #expect(try await property("MainPID", in: box) == pid)
        // SIGHUP is the same.
        try add("Late", check: "exit 1", to: box)
        try await box.run("systemctl kill --kill-whom=main --signal=HUP crd.service")
        try await eventually("it is told") {
            try await property("StatusText", in: box) == "3 modules, all well"
        }
    }

    @Test("lets a response finish when it is stopped, and leaves nothing of one that does not")
    func stopWhileResponding() async throws {
        let box = try SystemdBox()
        try await box.install()
        for (name, response) in [
            ("Good", "echo begin >>/srv/good; sleep 1; echo end >>/srv/good"),
            ("Bad", "trap '' TERM; echo begin >>/srv/bad; sleep 1000000 & wait; sleep 1000000"),
        ] {
            try add(name, check: "exit 0", to: box, manifest: "interval = '1h'\n")
            try box.write(
                "#!/bin/sh\n\(response)\n", to: "/opt/CRD/modules/\(name)/response", mode: 0o755)
        }
        try box.write("grace = '2s'\n", to: "/etc/CRD/crd.conf")
        try await box.boot()
        try await box.run("systemctl start crd.service")
        try await eventually("both respond") {
            box.read("/srv/good") != nil && box.read("/srv/bad") != nil
        }
        try await box.run("systemctl stop crd.service")
        #expect(box.read("/srv/good") == "begin\nend\n")
        #expect(try await property("Result", in: box) == "success")
        #expect(try await box.outcome(of: "pgrep -f '[s]leep 1000000'").code == 1)
    }

    @Test("G8: killed at any time, it is started again, and no entry is without its check")
    func killed() async throws {
        let box = try SystemdBox()
        try await box.install()
        try add(
            "Log",
            check: "grep -o 'entry-[0-9]*' \"$CRD_EVENTS\" >>/srv/entries; exit 1", to: box,
            manifest: """
                interval = "off"
                cooldown = "0s"
                [[trigger.journal]]
                match = { SYSLOG_IDENTIFIER = "test" }
                pattern = '^entry-'

                """)
        try box.write(
            "[Service]\nRestartSec=100ms\n", to: "/etc/systemd/system/crd.service.d/soon.conf")
        try await box.boot()
        try await box.run("systemctl start crd.service")
        for round in 0..<4 {
            try await box.run(
                """
                for i in 1 2 3 4 5 6 7 8 9; do logger -t test "entry-\(round)$i"; done
                systemctl kill --kill-whom=main --signal=KILL crd.service
                logger -t test "entry-\(round)0"
                """)
            try await eventually("it is started again") {
                try await property("NRestarts", in: box) == "\(round + 1)"
            }
        }
        let all = Set((0..<4).flatMap { round in (0...9).map { "entry-\(round)\($0)" } })
        try await eventually("all entries are checked") {
            Set((box.read("/srv/entries") ?? "").split(separator: "\n").map(String.init)) == all
        }
        #expect(try await property("ActiveState", in: box) == "active")
    }
}
