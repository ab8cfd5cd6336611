// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// `make install` and `make uninstall`: the scripts behind them, with the program under test.
@Suite("Installing")
struct InstallTests {
    /// A directory in place of the root, removed when dropped.
    private final class Root {
        let path: String
        let prefix: String

        init(prefix: String) throws {
            path = try TemporaryDirectory.make()
            self.prefix = prefix
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        @discardableResult
        func run(_ script: String) async throws -> String {
            let environment = World.environment.merging(
                ["DESTDIR": "\(path)/root", "PREFIX": prefix, "BINARY": Binary.path]) { $1 }
            return try await Outcome.of(
                ["\(Repository.path)/scripts/\(script)"], environment: environment, in: path
            ).output(of: script)
        }

        func read(_ file: String) throws -> String {
            try String(contentsOfFile: "\(path)/root\(file)", encoding: .utf8)
        }

        /// All files, and all empty directories.
        var leaves: [String] {
            let paths = FileManager.default.enumerator(atPath: "\(path)/root")?.allObjects
            let all = (paths ?? []).compactMap { $0 as? String }.sorted()
            return all.filter { path in !all.contains { $0.hasPrefix("\(path)/") } }
        }
    }

    @Test("puts everything in its place", arguments: ["/usr", "/usr/local"])
    func places(prefix: String) async throws {
        let root = try Root(prefix: prefix)
        try await root.run("install")
        for file in [
            "bin/crd", "lib/systemd/system/crd.service", "lib/sysusers.d/crd.conf",
            "lib/tmpfiles.d/crd.conf", "share/man/man8/crd.8", "share/man/man5/crd.conf.5",
            "share/man/man7/crd-module.7", "share/bash-completion/completions/crd",
            "share/zsh/site-functions/_crd", "share/fish/vendor_completions.d/crd.fish",
            "share/doc/crd/examples/hardening.conf", "share/doc/crd/examples/crd.conf",
            "share/doc/crd/examples/modules/LogDirectory/check",
        ] {
            #expect(root.leaves.contains(String("\(prefix)/\(file)".dropFirst())), "\(file)")
        }
        #expect(root.leaves.contains("etc/CRD/crd.conf"))
        #expect(root.leaves.contains("opt/CRD/modules") && root.leaves.contains("opt/CRD/support"))
    }

    @Test("names its own files by the prefix", arguments: ["/usr", "/usr/local"])
    func prefixes(prefix: String) async throws {
        let root = try Root(prefix: prefix)
        try await root.run("install")
        let unit = try root.read("\(prefix)/lib/systemd/system/crd.service")
        #expect(unit.contains("\nExecStart=\(prefix)/bin/crd daemon\n"))
        #expect(unit.contains("\nExecReload=\(prefix)/bin/crd reload\n"))
        for text in [unit, try root.read("\(prefix)/share/man/man8/crd.8")] {
            let named = text.matches(of: #/\S*\/share\/doc\/crd/#).map { String($0.output) }
            #expect(!named.isEmpty)
            #expect(named.allSatisfy { $0 == "\(prefix)/share/doc/crd" }, "\(named)")
        }
    }

    @Test("takes away what it put there, and nothing else")
    func uninstall() async throws {
        let root = try Root(prefix: "/usr")
        try await root.run("install")
        try await root.run("uninstall")
        #expect(root.leaves.allSatisfy { !$0.lowercased().contains("crd") }, "\(root.leaves)")

        try await root.run("install")
        let module = "\(root.path)/root/opt/CRD/modules/Mine"
        try FileManager.default.createDirectory(
            atPath: module, withIntermediateDirectories: false)
        let configuration = "/etc/CRD/crd.conf"
        try Data("slots = 2\n".utf8).write(
            to: URL(fileURLWithPath: "\(root.path)/root\(configuration)"))
        try await root.run("install")
        try await root.run("uninstall")
        #expect(try root.read(configuration) == "slots = 2\n")
        #expect(
            root.leaves.filter { $0.lowercased().contains("crd") }
                == ["etc/CRD/crd.conf", "opt/CRD/modules/Mine"])
    }

    @Test(
        "the unit and its drop-in are such that systemd has nothing to say, and the daemon works",
        .takesTurns, .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"),
        arguments: [false, true])
    func unit(hardened: Bool) async throws {
        let box = try SystemdBox()
        try await box.install()
        let check = "[ \"$CRD_TRIGGER\" = journal ] && echo \"$CRD_MATCH_who\" >>\"$CRD_STATE/who\""
        try box.write(
            "#!/bin/sh\n\(check); exit 1\n", to: "/opt/CRD/modules/Hears/check", mode: 0o755)
        try box.write("#!/bin/sh\n", to: "/opt/CRD/modules/Hears/response", mode: 0o755)
        try box.write(
            "user = 'nobody'\n[[trigger.journal]]\npattern = '^it is (?<who>\\w+)$'\n",
            to: "/opt/CRD/modules/Hears/module.toml")
        if hardened {
            let text = try String(
                contentsOfFile: "\(Repository.path)/systemd/hardening.conf", encoding: .utf8)
            let applied = text.replacing(#/(?m)^#(?=[A-Z]\w+=)/#, with: "")
            #expect(applied != text)
            try box.write(applied, to: "/etc/systemd/system/crd.service.d/hardening.conf")
        }
        try await box.boot()
        let verdict = try await box.outcome(of: "systemd-analyze verify --man=no crd.service")
        #expect(verdict.code == 0)
        #expect(verdict.output + verdict.errors == "")

        try await box.run("! getent group crd >/dev/null || groupdel crd")
        try await box.run("systemctl start crd.service")
        let told = "/var/lib/crd/modules/Hears/who"
        try await eventually("the module has run") {
            try await !box.run("crd list --json").contains("\"runs\" : 0")
        }
        let list = try await box.run("crd list --json")
        #expect(list.contains("\"cgroup\"") && list.contains("\"idle\""), "\(list)")
        try await box.run("logger --tag test it is me")
        try await eventually("the module has heard it") { box.read(told) == "me\n" }
        // The group may be missing.
        #expect(try await box.run("stat --format='%a %U' /run/crd/crd.sock") == "600 root\n")
        let journal = try await box.journal("-u crd.service -p warning --output=cat")
        #expect(journal == "", "\(journal)")
        try await box.run("systemctl stop crd.service")
        #expect(try await box.run("systemctl show -P Result crd.service") == "success\n")
    }

    @Test(
        "systemd-sysusers makes the group, systemd-tmpfiles what is missing and nothing else",
        .takesTurns, .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
    func fragments() async throws {
        let box = try SystemdBox()
        let systemd = "\(Repository.path)/systemd"
        try await box.copy("\(systemd)/crd.sysusers", to: "/usr/lib/sysusers.d/crd.conf")
        try await box.copy("\(systemd)/crd.tmpfiles", to: "/usr/lib/tmpfiles.d/crd.conf")
        try box.write("", to: "/opt/CRD/modules/.keep")
        try await box.boot()
        try await box.run("chmod 700 /opt/CRD/modules")
        for command in ["systemd-sysusers crd.conf", "systemd-tmpfiles --create crd.conf"] {
            let outcome = try await box.outcome(of: command)
            #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
        }
        #expect(try await box.run("getent group crd").hasSuffix(":\n"))
        #expect(
            try await box.run(
                "stat --format='%a %U %G' /etc/CRD /opt/CRD /opt/CRD/modules /opt/CRD/support")
                == "755 root root\n755 root root\n700 root root\n755 root root\n")
    }
}
