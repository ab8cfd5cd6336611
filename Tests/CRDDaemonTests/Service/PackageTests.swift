// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The Debian package, made of the release binary that `make test` has built.
@Suite("The package", .takesTurns, .enabled(if: PackageShelf.isPossible, "\(PackageShelf.needs)"))
struct PackageTests {
    @Test(
        "lintian finds nothing wrong with it",
        .enabled(if: Surroundings.find("lintian") != nil, "needs lintian"))
    func lintian() async throws {
        let shelf = try PackageShelf()
        let package = try await shelf.make(version: "1.0-1", compression: "gzip")
        // It leaves files of its own in TMPDIR.
        let outcome = try await Outcome.of(
            [
                Surroundings.find("lintian") ?? "", "--fail-on", "error,warning",
                "--tag-display-limit", "0", package,
            ], environment: World.environment.merging(["TMPDIR": shelf.path]) { $1 },
            in: shelf.path)
        #expect(outcome.code == 0)
        #expect(outcome.output == "")
    }

    @Test(
        "is made without root, and of the same bytes each time",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func reproducible() async throws {
        let shelf = try PackageShelf()
        let first = try await shelf.make(version: "1.0-1")
        let second = try await shelf.make(version: "1.0-1", as: Surroundings.asNobody)
        #expect(
            FileManager.default.contentsEqual(atPath: first, andPath: second), "\(first) \(second)")
    }

    // MARK: In a machine

    /// A box with a module that notes each entry it is told of, and in its state each of its runs.
    private func box(with packages: [String]) async throws -> SystemdBox {
        let box = try SystemdBox()
        for (index, package) in packages.enumerated() {
            try await box.copy(package, to: "/srv/\(index).deb")
        }
        try await box.boot()
        // A test machine may have a policy against services that start by themselves.
        try await box.run(
            "rm -f /usr/sbin/policy-rc.d; ! dpkg -s crd >/dev/null 2>&1 || dpkg -P crd")
        return box
    }

    private func addModule(to box: SystemdBox) throws {
        let path = "/opt/CRD/modules/Hears"
        let check = """
            #!/bin/sh
            echo "$CRD_TRIGGER" >>"$CRD_STATE/runs"
            grep -o '"MESSAGE":"entry [0-9]*"' "$CRD_EVENTS" >>/srv/heard
            exit 1

            """
        try box.write(check, to: "\(path)/check", mode: 0o755)
        try box.write("#!/bin/sh\n", to: "\(path)/response", mode: 0o755)
        try box.write(
            "[[trigger.journal]]\nmatch = { SYSLOG_IDENTIFIER = 'upgrade' }\n",
            to: "\(path)/module.toml")
    }

    private func property(_ name: String, in box: SystemdBox) async throws -> String {
        try await box.run("systemctl show -P \(name) crd.service")
            .trimmingCharacters(in: .newlines)
    }

    /// All traces of the package and the daemon, also in the service manager's memory. Pages that
    /// man has formatted are left for it to forget.
    private func traces(in box: SystemdBox) async throws -> Set<String> {
        let found = try await box.run(
            """
            find /etc /opt /run /usr /var -path /var/cache/man -prune -o -iname '*crd*' -print
            getent group crd || :
            """)
        return Set(found.split(separator: "\n").map(String.init))
    }

    @Test(
        "starts the service when installed, stops it when removed, and leaves nothing when purged",
        .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
    func installAndPurge() async throws {
        let shelf = try PackageShelf()
        let box = try await box(with: [shelf.make(version: "1.0-1")])
        let before = try await traces(in: box)

        try await box.run("dpkg -i /srv/0.deb")
        #expect(try await property("ActiveState", in: box) == "active")
        #expect(try await property("UnitFileState", in: box) == "enabled")
        #expect(try await box.run("crd check-config") == "")
        #expect(
            try await box.run("stat --format='%a %U %G' /run/crd/crd.sock") == "660 root crd\n")
        #expect(try await box.run("man -w crd crd.conf crd-module | wc -l") == "3\n")
        let verdict = try await box.outcome(of: "systemd-analyze verify crd.service")
        #expect(verdict.output + verdict.errors == "")
        #expect(try await box.run("dpkg -V crd") == "")

        try await box.run("dpkg -r crd")
        #expect(try await property("ActiveState", in: box) == "inactive")
        #expect(try await box.run("ls -d /etc/CRD/crd.conf /var/lib/crd | wc -l") == "2\n")

        // Removed, but not purged.
        try await box.run("dpkg -i /srv/0.deb")
        #expect(try await property("ActiveState", in: box) == "active")
        try await box.run("dpkg -P crd")
        let left = try await traces(in: box).subtracting(before)
        #expect(left == [])
    }

    @Test(
        "keeps what an administrator has made or decided",
        .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
    func administrator() async throws {
        let shelf = try PackageShelf()
        let box = try await box(
            with: [shelf.make(version: "1.0-1"), shelf.make(version: "1.1-1")])
        try box.write("#!/bin/sh\nexit 101\n", to: "/usr/sbin/policy-rc.d", mode: 0o755)
        try await box.run("dpkg -i /srv/0.deb")
        #expect(try await property("ActiveState", in: box) == "inactive", "policy-rc.d forbids it")
        #expect(try await property("UnitFileState", in: box) == "enabled")
        try await box.run("rm /usr/sbin/policy-rc.d")

        // A stopped or disabled service stays so.
        try await box.run("dpkg -i /srv/1.deb")
        #expect(try await property("ActiveState", in: box) == "inactive")
        try await box.run("systemctl disable --quiet crd && dpkg -i /srv/0.deb")
        #expect(try await property("UnitFileState", in: box) == "disabled")

        let configuration = "slots = 2\nsupport = \"/srv/support\"\n"
        try box.write(configuration, to: "/etc/CRD/crd.conf")
        try await box.run("dpkg -i /srv/1.deb")
        #expect(box.read("/etc/CRD/crd.conf") == configuration)
        try addModule(to: box)
        try await box.run("useradd member && gpasswd -a member crd")
        // The administrator's files in /etc/CRD; receipts, and the modules of some of them.
        let receipts = "/var/lib/crd/daemon/receipts"
        for (path, text) in [
            ("/etc/CRD/allowed-signers", "somebody"), ("/etc/CRD/chat/url", "http://x"),
            ("/etc/CRD/crd.conf.dpkg-old", ""), ("/srv/support/tool/tool", ""),
            ("\(receipts)/Hears.json", "{}"), ("\(receipts)/tool.json", "{}"),
            ("\(receipts)/gone.json", "{}"), ("/var/lib/crd/modules/Hears/runs", "start\n"),
            ("/var/lib/crd/daemon/aside/tool-1/rollback", ""),
        ] { try box.write(text, to: path) }
        let said = try await box.run("dpkg -P crd")
        #expect(said.contains("crd: kept /opt/CRD/modules, which is not empty\n"), "\(said)")
        #expect(said.contains("crd: kept the group crd, which has members\n"), "\(said)")
        #expect(box.read("/opt/CRD/modules/Hears/check") != nil)
        for path in [
            "/etc/CRD, which is not empty", "\(receipts)/Hears.json, since the module is there",
            "\(receipts)/tool.json, since the module is there",
            "/var/lib/crd/daemon/aside, where files of rollbacks that failed are",
        ] { #expect(said.contains("crd: kept \(path)\n"), "\(said)") }
        let left = try await box.run("find /etc/CRD /var/lib/crd /run/crd -type f 2>/dev/null || :")
        #expect(
            left.split(separator: "\n").sorted() == [
                "/etc/CRD/allowed-signers", "/etc/CRD/chat/url",
                "/var/lib/crd/daemon/aside/tool-1/rollback", "\(receipts)/Hears.json",
                "\(receipts)/tool.json",
            ])
    }

    @Test(
        "is upgraded under a running service, and no entry of the journal is lost meanwhile",
        .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
    func upgrade() async throws {
        let shelf = try PackageShelf()
        let box = try await box(
            with: [shelf.make(version: "1.0-1"), shelf.make(version: "1.1-1")])
        try addModule(to: box)
        try await box.run("dpkg -i /srv/0.deb")
        let old = try await property("MainPID", in: box)
        let runs = "/var/lib/crd/modules/Hears/runs"
        try await eventually("it has been checked") { box.read(runs) == "start\n" }

        let logged = try await box.run(
            """
            ( count=0
              while [ ! -e /srv/enough ]; do
                  count=$((count + 1))
                  logger --tag upgrade "entry $count"
                  sleep 0.02
              done
              echo $count >/srv/count ) >/dev/null &
            sleep 0.2
            dpkg -i /srv/1.deb >/dev/null
            sleep 0.2
            : >/srv/enough
            wait
            cat /srv/count
            """)
        #expect(try await box.run("dpkg-query -W crd") == "crd\t1.1-1\n")
        #expect(try await property("ActiveState", in: box) == "active")
        let new = try await property("MainPID", in: box)
        #expect(new != old)
        #expect(try await box.run("readlink /proc/\(new)/exe") == "/usr/bin/crd\n")

        let count = try #require(Int(logged.trimmingCharacters(in: .newlines)))
        #expect(count > 10)
        let expected = Set((1...count).map { "\"MESSAGE\":\"entry \($0)\"" })
        try await eventually("all \(count) entries have been checked") {
            Set((box.read("/srv/heard") ?? "").split(separator: "\n").map(String.init)) == expected
        }
        // The earlier state is there, and the new daemon has continued with it.
        let causes = (box.read(runs) ?? "").split(separator: "\n")
        #expect(causes.first == "start" && causes.count { $0 == "start" } == 2, "\(causes)")
    }

    @Test(
        "G15: is upgraded and purged while a role's user makes links of its state, and follows none",
        .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
    func links() async throws {
        let shelf = try PackageShelf()
        let box = try await box(
            with: [shelf.make(version: "1.0-1"), shelf.make(version: "1.1-1")])
        let module = "/opt/CRD/modules/Linked"
        try box.write("#!/bin/sh\nexit 1\n", to: "\(module)/check", mode: 0o755)
        try box.write("#!/bin/sh\n", to: "\(module)/response", mode: 0o755)
        try box.write("user = 'games'\ninterval = '100ms'\n", to: "\(module)/module.toml")
        try box.write("precious\n", to: "/srv/precious/file", mode: 0o600)
        try await box.run("dpkg -i /srv/0.deb")
        let state = "/var/lib/crd/modules/Linked"
        try await box.run("until [ -d \(state) ]; do sleep 0.05; done")
        let outcome = try await box.outcome(
            of: """
                look() { stat -c '%n %a %u %g %i' /srv /srv/precious /srv/precious/file; }
                before=$(look)
                # It goes on in the directory that it has open, whatever becomes of its path.
                setpriv --reuid games --regid games --clear-groups sh -c '
                    cd \(state) || exit
                    ln -s /srv/precious always
                    while :; do
                        mkdir d; : >d/file; rm -r d
                        ln -s /srv/precious d; ln -s /srv/precious/file f; rm d f
                        ln -s ../../../../opt/CRD e; mv e file
                    done' 2>/dev/null &
                attacker=$!
                sleep 0.5
                dpkg -i /srv/1.deb >/dev/null && sleep 0.5 && dpkg -P crd >/dev/null || exit
                kill -KILL $attacker
                [ "$(look)" = "$before" ] && cat /srv/precious/file && [ -x \(module)/check ] && echo there
                """)
        #expect(outcome.code == 0)
        #expect(outcome.output == "precious\nthere\n", "\(outcome)")
    }
}
