// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The attacks of a role's user that differ where crd is a service with cgroups of its own.
@Suite(
    "G15: The user that a role runs as, under the real unit", .takesTurns,
    .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
struct RoleUserServiceTests {
    @Test("may stop every process of its own: the service is answered, and stops when it is told")
    func stops() async throws {
        let box = try SystemdBox()
        try await box.install()
        func module(_ name: String, check: String, manifest: String) throws {
            let place = "/opt/CRD/modules/\(name)"
            try box.write("#!/bin/sh\n\(check)\nexit 1\n", to: "\(place)/check", mode: 0o755)
            try box.write("#!/bin/sh\n", to: "\(place)/response", mode: 0o755)
            try box.write(manifest, to: "\(place)/module.toml")
        }
        try module(
            "Held", check: ":",
            manifest: "user = 'games'\ninterval = '100ms'\ntimeout = '300ms'\n")
        try module(
            "Witness", check: "echo x >>/srv/witness",
            manifest: "cooldown = '0s'\n[[trigger.path]]\npath = '/srv/in'\n")
        try box.write("", to: "/srv/in/first")
        try await box.boot()
        let outcome = try await box.outcome(
            of: """
                runs() { crd list --json | tr '{' '\\n' | grep -A9 '"Held"' | tr -d ' ' \
                    | sed -n 's/.*"runs":\\([0-9]*\\).*/\\1/p' | head -n 1; }
                systemctl start crd.service
                until [ "$(runs)" -gt 2 ]; do sleep 0.05; done
                setpriv --reuid games --regid games --clear-groups \
                    sh -c 'while :; do kill -STOP -1; done' &
                attacker=$!
                before=$(runs)
                number=0
                until [ "$(runs)" -gt $((before + 20)) ]; do
                    number=$((number + 1))
                    lines=$(wc -l </srv/witness)
                    : >/srv/in/$number
                    until [ "$(wc -l </srv/witness)" -gt "$lines" ]; do sleep 0.02; done
                done
                systemctl stop crd.service
                kill -KILL $attacker
                systemctl show -P Result crd.service
                """)
        #expect(outcome.output == "success\n", "\(outcome)")
        #expect(try await !box.journal("-u crd.service").contains("atchdog"))
    }
}
