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
        // What is armed answers.
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
}
