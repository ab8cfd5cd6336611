// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Each block of README.md and of the READMEs below examples/ does what the page says when pasted
/// in order on a machine with nothing installed.
@Suite(
    "The READMEs", .takesTurns,
    .enabled(
        if: PackageShelf.isPossible && SystemdBox.isPossible && WebServer.isPossible,
        "\(PackageShelf.needs), \(SystemdBox.needs), \(WebServer.needs)"))
struct ReadmeTests {
    static let pages = [
        "README.md", "examples/README.md", "examples/repository/README.md",
        "examples/repository/support/webhook/README.md",
    ]
    private static let checkout = "/root/crd"

    @Test("have every command in a block that is tried", arguments: pages)
    func commands(page: String) throws {
        let programs = [
            "crd ", "make ", "sudo ", "systemctl ", "git ", "./", "cd ", "cp ", "mkdir ",
        ]
        for block in try CodeBlock.all(of: page) where block.language != "sh" {
            for line in block.text.split(separator: "\n") {
                // A synopsis contains placeholders.
                let isSynopsis = line.contains("[OPTION...]")
                #expect(
                    isSynopsis || !programs.contains { line.hasPrefix($0) },
                    "\(page):\(block.line): \(line)")
            }
        }
    }

    /// A machine with a clone of the project in which everything was built, and nothing installed.
    private func machine() async throws -> SystemdBox {
        let box = try SystemdBox()
        for name in [
            "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "examples", "man", "packaging",
            "scripts", "systemd", "Sources/CRDDaemon/Version.swift",
        ] {
            try await box.copy("\(Repository.path)/\(name)", to: "\(Self.checkout)/\(name)")
        }
        try await box.copy(PackageShelf.binary, to: "\(Self.checkout)/.build/release/crd")
        // The build has made these tests, and `swift test` is this run.
        try box.write(
            """
            #!/bin/sh
            case "$*" in
            --version) echo 'Swift version 6.3.1' ;;
            *--show-bin-path) echo .build/release ;;
            esac

            """, to: "/usr/local/bin/swift", mode: 0o755)
        // Not every machine has sudo, and root needs none.
        try box.write("#!/bin/sh\nexec \"$@\"\n", to: "/usr/local/bin/sudo", mode: 0o755)
        try await box.boot()
        // A test machine may have a policy against services that start by themselves.
        try await box.run(
            "rm -f /usr/sbin/policy-rc.d; ! dpkg -s crd >/dev/null 2>&1 || dpkg -P crd")
        // Hides what the machine has there behind a place that soon fills up.
        try await box.run("mount -t tmpfs -o size=1M,mode=755 tmpfs /srv")
        return box
    }

    private func listed(_ name: String, _ crd: String, in box: SystemdBox) async throws
        -> Listing.Module?
    {
        let outcome = try await box.outcome(of: "\(crd) list --json")
        guard outcome.code == 0 else { return nil }
        let list = try JSONDecoder().decode(Listing.self, from: Data(outcome.output.utf8))
        return list.daemon == nil ? nil : list.modules.first { $0.name == name }
    }

    /// Repeats the script until it has caused a run of the module.
    private func eventually(
        _ name: String, of crd: String = "crd", runsBy trigger: String, after script: String,
        in box: SystemdBox
    ) async throws {
        try await CRDDaemonTests.eventually("\(name) is checked by \(trigger)") {
            try await box.run(script)
            return try await listed(name, crd, in: box)?.last?.trigger == trigger
        }
        let reason = try await listed(name, crd, in: box)?.reason
        #expect(reason == nil)
    }

    private func log(_ lines: String, by unit: String) -> String {
        "systemd-run --quiet --collect --wait --unit=\(unit) sh -c '\(lines)'"
    }

    // MARK: README.md

    @Test("lead from a clone to modules of one's own, to the package and what is below examples/")
    func walk() async throws {
        let box = try await machine()
        let newcomer = Newcomer(in: box)
        newcomer.directory = Self.checkout
        try newcomer.open("README.md")
        try await tryOut(newcomer)
        newcomer.directory = Self.checkout
        try await newcomer.paste("make deb")
        #expect(try await box.run("systemctl is-active crd.service") == "active\n")
        _ = try newcomer.next("make build")
        try await modulesFromGit(newcomer)
        try newcomer.close()

        try newcomer.open("examples/README.md")
        try await tutorial(newcomer)
        try await flappingService(newcomer)
        try newcomer.close()

        try newcomer.open("examples/repository/README.md")
        try await repository(newcomer)
        try newcomer.close()

        try newcomer.open("examples/repository/support/webhook/README.md")
        try await webhook(newcomer)
        try newcomer.close()
    }

    @Test("install the program elsewhere than on Debian")
    func elsewhere() async throws {
        let box = try await machine()
        let newcomer = Newcomer(in: box)
        newcomer.directory = Self.checkout
        try newcomer.open("README.md")
        while (try? newcomer.next("make deb")) == nil {}
        try await newcomer.paste("make build")
        #expect(try await box.run("systemctl is-active crd.service") == "active\n")
        #expect(try await box.run("systemctl is-enabled crd.service") == "enabled\n")
    }

    /// `make run`, and the module that the README makes in its place.
    private func tryOut(_ newcomer: Newcomer) async throws {
        let box = newcomer.box
        try box.write(try newcomer.next("make run"), to: "/root/make-run")
        func makeRun() async throws {
            try await box.run(
                """
                rm -f /root/run.log
                systemd-run --quiet --collect --unit=terminal --working-directory=\(Self.checkout) \\
                    sh -c 'sh /root/make-run >/root/run.log 2>&1'
                """)
            try await CRDDaemonTests.eventually("the daemon runs") {
                box.read("/root/run.log")?.contains("crd: started ") == true
            }
        }
        try await makeRun()
        // The commands it suggests.
        let said = (box.read("/root/run.log") ?? "").split(separator: "\n")
            .filter { $0.hasPrefix("    ") }.joined(separator: "\n")
        #expect(said.contains("crd list"))
        let shown = try await box.run("cd \(Self.checkout)\nset -e\n\(said)")
        #expect(shown.contains("LogDirectory"), "\(shown)")
        try await CRDDaemonTests.eventually("LogDirectory has emptied it") {
            try await box.run("ls \(Self.checkout)/.run/log") == ""
        }
        try await newcomer.paste("make test")

        let crd =
            "cd \(Self.checkout) && CRD_CONFIG=.run/crd.conf .build/release/crd"
        try await newcomer.paste("mkdir .run/modules/TooFull")
        try await CRDDaemonTests.eventually("TooFull is checked") {
            try await listed("TooFull", crd, in: box)?.runs ?? 0 > 0
        }
        try await newcomer.paste("cat >>module.toml <<'END'\n[[trigger.path]]")
        try await box.run("mkdir /srv/cache; head -c 1000K /dev/zero >/srv/full")
        try await eventually(
            "TooFull", of: crd, runsBy: "path",
            after: "touch -d '8 days ago' /srv/cache/old; touch /srv/cache/new", in: box)
        try await CRDDaemonTests.eventually("the response has removed what is old") {
            try await box.run("ls /srv/cache") == "new\n"
        }
        try await newcomer.paste("cat >>module.toml <<'END'\n[[trigger.journal]]")
        try await eventually(
            "TooFull", of: crd, runsBy: "journal",
            after: log("for i in 1 2 3; do echo worker 7 died; done", by: "cache"), in: box)

        // It is there the next time too.
        for _ in 1...2 {
            try await box.run(
                "systemctl kill --signal=INT terminal; while systemctl -q is-active terminal; do sleep 0.05; done"
            )
            try await makeRun()
            #expect(try await listed("TooFull", crd, in: box)?.reason == nil)
            #expect(try await listed("TooFull", crd, in: box) != nil)
        }
        try await box.run("systemctl stop terminal; cd \(Self.checkout) && scripts/run clean")
        #expect(
            try await box.run("ls -A \(Self.checkout)/.run \(Self.checkout)/.run/modules")
                .contains("TooFull"))
        try await box.run("umount /srv")
        try await box.run("mount -t tmpfs -o size=10M,mode=755 tmpfs /srv")
    }

    private func modulesFromGit(_ newcomer: Newcomer) async throws {
        try await newcomer.paste("cp -R /usr/share/doc/crd/examples/repository")
        let asked = try await newcomer.paste("crd --install webhook", isAsked: true)
        #expect(asked.contains("installed"), "\(asked)")
        let said = try await newcomer.paste("crd -x webhook --help")
        #expect(said.contains("--url-file"), "\(said)")
        #expect(try await newcomer.box.run("ls /opt/CRD/support") == "")
    }

    // MARK: examples/README.md

    private func tutorial(_ newcomer: Newcomer) async throws {
        let box = newcomer.box
        try await newcomer.paste("mkdir -p /var/tmp/cores")
        try await newcomer.paste("cat >check")
        try await newcomer.paste("cat >response")
        let tried = try await newcomer.paste("touch /var/tmp/cores/core.1")
        #expect(tried == "exit code 1\n")
        try await CRDDaemonTests.eventually("CoreDumps is checked") {
            try await listed("CoreDumps", "crd", in: box)?.runs ?? 0 > 0
        }
        try await newcomer.paste("cat >module.toml")
        try await newcomer.paste("cat >>module.toml <<'END'\n[[trigger.path]]")
        try await box.run("crd check-config && crd reload")
        try await newcomer.paste("touch /var/tmp/cores/core.3")
        try await CRDDaemonTests.eventually("the fourth is answered") {
            try await box.run("ls /var/tmp/cores") == ""
        }
        try await CRDDaemonTests.eventually("it is told") {
            try await box.run(
                "journalctl --quiet --output=cat --identifier=crd.CoreDumps --priority=4..4"
            ) == "4 core dumps in /var/tmp/cores\n"
        }
        #expect(try await listed("CoreDumps", "crd", in: box)?.reason == nil)

        try await newcomer.paste("cat >>module.toml <<'END'\n[[trigger.journal]]")
        try await eventually(
            "CoreDumps", runsBy: "journal",
            after: log("for i in 1 2 3; do echo \"<3>worker 7 died\"; done", by: "dumper"), in: box)
        try await newcomer.paste("cat >>module.toml <<'END'\n[[trigger.signal]]")
        try await box.run("crd check-config && crd reload")
        try await eventually(
            "CoreDumps", runsBy: "signal",
            after: "systemctl kill --kill-whom=main --signal=USR1 crd.service", in: box)
    }

    private func flappingService(_ newcomer: Newcomer) async throws {
        try await newcomer.paste("cp -R /usr/share/doc/crd/examples/modules/FlappingService")
        let triggers = try newcomer.next("[[trigger.journal]]", language: "toml")
        let manifest = try String(
            contentsOfFile: "\(Repository.path)/examples/modules/FlappingService/module.toml",
            encoding: .utf8)
        func meaning(_ text: some StringProtocol) -> [Substring] {
            text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { Substring($0) }
        }
        #expect(
            meaning(triggers)
                == meaning(manifest).drop { $0 != "[[trigger.journal]]" }.map { Substring($0) })
        // The check says no.
        #expect(try await newcomer.paste("cd /opt/CRD/modules/FlappingService") == "exit code 1\n")
        try await CRDDaemonTests.eventually("FlappingService is checked") {
            try await listed("FlappingService", "crd", in: newcomer.box)?.runs ?? 0 > 0
        }
        #expect(try await listed("FlappingService", "crd", in: newcomer.box)?.reason == nil)
    }

    // MARK: examples/repository

    /// Puts a block into crd.conf.
    private func configure(_ newcomer: Newcomer, _ beginning: String) async throws {
        let box = newcomer.box
        let before = box.read("/etc/CRD/crd.conf") ?? ""
        try box.write(
            before + newcomer.next(beginning, language: "toml"), to: "/etc/CRD/crd.conf")
        try await box.run("crd check-config && crd reload")
    }

    private func repository(_ newcomer: Newcomer) async throws {
        try await newcomer.paste("cp -R /usr/share/doc/crd/examples/repository")
        try await newcomer.paste("crd --install webhook", isAsked: true)
        try await configure(newcomer, "repository =")
        let found = try await newcomer.paste("crd search")
        #expect(found.contains("webhook"), "\(found)")
        try newcomer.box.write("", to: "/etc/CRD/allowed-signers")
        try await configure(newcomer, "allowed-signers =")
        #expect(try await newcomer.box.outcome(of: "\(newcomer.directory)/check").code == 0)
    }

    private func webhook(_ newcomer: Newcomer) async throws {
        let box = newcomer.box
        try await box.copy("\(Repository.path)/Tests/Servers/http-server", to: "/root/server")
        try await box.run(
            """
            systemd-run --quiet --collect --unit=chat \\
                sh -c 'sleep 1000000 | /root/server --record /root/record >/root/port'
            until [ -s /root/port ]; do sleep 0.05; done
            umask 077
            echo "http://127.0.0.1:$(cat /root/port)/hook" >/etc/CRD/chat.url
            """)
        try box.write(newcomer.next("#!/bin/sh"), to: "/root/response", mode: 0o755)
        try await box.run("echo '4 core dumps' | /root/response")
        let text = Data("{\"text\":\"4 core dumps\"}".utf8).base64EncodedString()
        #expect(box.read("/root/record")?.contains(text) == true)
    }
}
