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

    @Test("holds up nobody, whatever else it does, and gets at nobody's processes")
    func everythingAtOnce() async throws {
        let box = try SystemdBox()
        try await box.install()
        func module(_ name: String, check: String, manifest: String) throws {
            let place = "/opt/CRD/modules/\(name)"
            try box.write("#!/bin/sh\n\(check)\nexit 1\n", to: "\(place)/check", mode: 0o755)
            try box.write("#!/bin/sh\n", to: "\(place)/response", mode: 0o755)
            try box.write(manifest, to: "\(place)/module.toml")
        }
        let often = "user = 'games'\ninterval = '100ms'\n"
        try module(
            "Witness", check: "echo x >>/srv/witness",
            manifest: "cooldown = '0s'\n[[trigger.path]]\npath = '/srv/in'\n")
        try module("Leased", check: ":", manifest: often)
        try module(
            "Attributes",
            check:
                #"exec perl -e 'for (1..50) { syscall(190, 3, "user.a$_", "x" x 60000, 60000, 0) } exit 1'"#,
            manifest: often)
        try module(
            "Hides",
            check:
                "CRD_ROLE=response CRD_MODULE=Keeps setsid sh -c 'exec sleep 54321' >/dev/null 2>&1 &",
            manifest: often)
        try module(
            "Keeps", check: ":", manifest: "leftovers = 'keep'\n")
        try module(
            "Tree", check: ":",
            manifest: "user = 'games'\n[[trigger.path]]\npath = '/srv/tree'\nrecursive = true\n")
        try module("Floods", check: "timeout 1 yes >&2", manifest: often)
        try module(
            "Pattern", check: ":",
            manifest: "user = 'games'\n[[trigger.journal]]\npattern = '^(a+)+$'\n")
        try box.write("", to: "/srv/in/first")
        try await box.boot()
        let outcome = try await box.outcome(
            of: """
                mkdir -m 1777 /srv/tree
                chown games /opt/CRD/modules/Leased/check
                systemctl start crd.service
                as_games() { setpriv --reuid games --regid games --clear-groups "$@"; }
                as_games perl -e '
                    $SIG{IO} = "IGNORE";
                    while (1) {
                        my $file;
                        sleep 1000 if open($file, "+<", $ARGV[0]) && fcntl($file, 1024, 1);
                        select(undef, undef, undef, 0.01);
                    }' /opt/CRD/modules/Leased/check &
                attackers=$!
                as_games perl -e 'mkdir "/srv/tree/$_" for 1..1000000000' &
                attackers="$attackers $!"
                line=$(printf '%060d!' 0 | tr 0 a)
                as_games sh -c "while :; do logger '$line'; done" &
                attackers="$attackers $!"
                # Not ours, though it says so.
                env CRD_RUN=1-1 CRD_ROLE=check CRD_MODULE=Hides CRD_STATE=/var/lib/crd/modules/Hides \
                    sleep 65432 &
                stranger=$!
                number=0
                end=$(($(date +%s) + 10))
                until [ $(date +%s) -ge $end ]; do
                    number=$((number + 1))
                    lines=$(wc -l </srv/witness)
                    : >/srv/in/$number
                    until [ "$(wc -l </srv/witness)" -gt "$lines" ]; do sleep 0.02; done
                done
                crd list >/dev/null || echo 'crd list fails'
                systemctl restart crd.service
                kill -KILL $attackers
                kill -0 $stranger && echo 'the stranger lives'
                systemctl stop crd.service
                kill -KILL $stranger
                pgrep -f '^sleep 54321' && echo 'what hid is left'
                systemctl show -P Result crd.service
                """)
        #expect(outcome.output == "the stranger lives\nsuccess\n", "\(outcome)")
        #expect(try await !box.journal("-u crd.service").contains("atchdog"))
    }
}
