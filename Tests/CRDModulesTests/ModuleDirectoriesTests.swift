// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Goal: a broken module's complaint names file and remedy; no other suffers.
/// Method: real directories; `BASE` in a complaint is the test's own.
@Suite("ModuleDirectories")
struct ModuleDirectoriesTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try directory.make("modules")
        try directory.make("support")
    }

    private func contents(switchesUsers: Bool = true) -> ModuleDirectories.Contents {
        var configuration = Configuration()
        configuration.modules = directory["modules"].string
        configuration.support = directory["support"].string
        return ModuleDirectories(configuration, switchesUsers: switchesUsers).contents()
    }

    /// All complaints, without the directory's name.
    private func complaints() -> [String] { contents().allComplaints.map(plain) }

    private func plain(_ diagnostic: Diagnostic) -> String {
        directory.plain(diagnostic.description)
    }

    private func module(_ name: String, manifest: String? = nil) throws {
        for role in ["check", "response"] {
            try directory.write("modules/\(name)/\(role)", "#!/bin/sh\n", mode: 0o755)
        }
        if let manifest { try directory.write("modules/\(name)/module.toml", manifest) }
    }

    private func supportModule(_ name: String) throws {
        try directory.write("support/\(name)/\(name)", "#!/bin/sh\n", mode: 0o755)
    }

    @Test("a path with glob characters that is not there is a warning, and nothing is refused")
    func globs() throws {
        try directory.write("logs/[a].log", "")
        let paths = ["logs/*.log", "logs/[a].log", "logs", "later"].map { directory[$0].string }
        try module(
            "m", manifest: paths.map { "[[trigger.path]]\npath = '\($0)'\n" }.joined())
        let found = contents()
        #expect(
            found.allComplaints.map(plain) == [
                "BASE/modules/m/module.toml:2:8: warning: 'trigger.path.path': there is no "
                    + "'BASE/logs/*.log', and glob characters are taken literally; watch the "
                    + "directory above '*.log', with include = [\"*.log\"]"
            ])
        let module = found.modules[0]
        #expect(module.warnings.count == 1 && module.complaints.isEmpty)
        #expect(module.manifest.paths.map(\.path) == paths)
    }

    @Test("finds user and support modules in name order") func order() throws {
        try module("beta", manifest: "interval = \"5min\"")
        try module("Alpha")
        try supportModule("alpha")
        let contents = contents()
        #expect(contents.modules.map(\.name.description) == ["Alpha", "alpha", "beta"])
        #expect(contents.modules.map(\.kind) == [.user, .support, .user])
        #expect(contents.allComplaints == [])
        let beta = contents.modules[2]
        #expect(beta.manifest.interval == .every(.seconds(300)))
        #expect(beta.executable(.check) == directory["modules/beta/check"])
        #expect(beta.accounts[.response] == .daemon)
        #expect(throws: Never.self) { try beta.verify(under: OwnershipRule()) }
    }

    @Test(
        "passes over what editors and packagers leave about, and files",
        arguments: [
            ".git", ".a", "a~", "a.bak", "a.dpkg-old", "a.dpkg-new", "a.dpkg-",
        ])
    func skipped(name: String) throws {
        try module(name)
        try directory.write("modules/README", "")
        try directory.write("modules/two words", "")
        #expect(contents().modules.isEmpty)
        #expect(complaints() == [])
    }

    @Test(
        "takes names by the rule",
        arguments: [
            ("a", true), ("0", true), ("A.b_c-9", true), ("a.", true), ("a.dpkg", true),
            (String(repeating: "x", count: 64), true), (String(repeating: "x", count: 65), false),
            ("-a", false), ("_a", false), ("a b", false), ("a\nb", false), ("ä", false),
            ("a+", false),
        ])
    func names(name: String, isGood: Bool) throws {
        try module(name)
        #expect(contents().modules.map(\.name.description) == (isGood ? [name] : []))
        let complaint = """
            BASE/modules/\(name):1:1: is not a valid module name; rename it, using at most 64 \
            letters, digits, '.', '_' and '-', a letter or digit first
            """
        #expect(complaints() == (isGood ? [] : [complaint]))
    }

    @Test("tells a name that is not UTF-8, too") func notText() throws {
        let name: [CChar] = [CChar(bitPattern: 0xff), 0x61, 0]
        let entry = try #require(FilePath.Component(platformString: name))
        try directory["modules"].appending(entry).withPlatformString {
            try #require(mkdir($0, 0o755) == 0)
        }
        // Nobody meant it to be a module.
        #expect(complaints() == [])
        try directory["modules"].appending(entry).appending("check").withPlatformString {
            try #require(mkdir($0, 0o755) == 0)
        }
        #expect(complaints().count == 1)
        #expect(complaints().first?.contains("\u{fffd}a:1:1: is not a valid module name") == true)
    }

    @Test("follows a link to a module, and complains of one that leads nowhere") func links() throws
    {
        try module("real")
        try directory.link("modules/linked", to: "real")
        try directory.link("modules/dangling", to: "gone")
        try directory.link("modules/file", to: "real/check")
        let contents = contents()
        #expect(contents.modules.map(\.name.description) == ["dangling", "linked", "real"])
        #expect(
            complaints() == [
                "BASE/modules/dangling:1:1: is a symbolic link that leads nowhere "
                    + "(BASE/modules/gone is not there); fix or remove it"
            ])
    }

    // MARK: A broken module

    /// The complaints about a module `m` that is right except for `breaking`.
    private func complaints(
        manifest: String? = nil, _ breaking: (TemporaryDirectory) throws -> Void = { _ in }
    ) throws -> [String] {
        try module("m", manifest: manifest)
        try module("other")
        try breaking(directory)
        let contents = contents()
        #expect(contents.modules.map(\.name.description) == ["m", "other"])
        #expect(contents.modules[1].complaints + contents.modules[1].executableComplaints == [])
        let module = contents.modules[0]
        let all = module.complaints + module.executableComplaints
        let isRefused = (try? module.verify(under: OwnershipRule())) == nil
        // The check before each run sees the same of files and owners as the first.
        #expect(isRefused || module.executableComplaints.isEmpty)
        return all.map(plain)
    }

    private func remove(_ name: String) { unlink(directory[name].string) }

    @Test("complains of an executable that is missing") func missing() throws {
        let found = try complaints { _ in
            remove("modules/m/check")
            remove("modules/m/response")
        }
        #expect(
            found
                == ["check", "response"].map {
                    "BASE/modules/m/\($0):1:1: is not there; a module needs an executable of that name"
                })
    }

    @Test("complains of one that cannot be executed") func notExecutable() throws {
        let found = try complaints {
            try $0.setMode("modules/m/check", 0o644)
            remove("modules/m/response")
            try $0.make("modules/m/response")
        }
        #expect(
            found == [
                "BASE/modules/m/check:1:1: is not executable; "
                    + "run: chmod +x 'BASE/modules/m/check'",
                "BASE/modules/m/response:1:1: is not a regular file; put an executable there",
            ])
    }

    @Test("complains of a link that leads nowhere or to what others can write") func badLinks()
        throws
    {
        let found = try complaints {
            for role in ["check", "response"] { remove("modules/m/\(role)") }
            try $0.link("modules/m/check", to: "../gone")
            try $0.write("open", "#!/bin/sh\n", mode: 0o777)
            try $0.link("modules/m/response", to: "../../open")
        }
        #expect(
            found == [
                "BASE/modules/m/check:1:1: is a symbolic link that leads nowhere "
                    + "(BASE/modules/gone is not there); fix or remove it",
                "BASE/modules/m/response:1:1: BASE/open can be written by its group and everybody else; "
                    + "run: chmod go-w 'BASE/open'",
            ])
    }

    @Test(
        "G13: complains of what others can write",
        arguments: [
            ("modules/m", 0o775, ""), ("modules/m/check", 0o775, "/check"),
            ("modules/m/module.toml", 0o664, "/module.toml"),
        ])
    func writable(name: String, mode: ModeBits, below: String) throws {
        let found = try complaints(manifest: "") { try $0.setMode(name, mode) }
        #expect(
            found == [
                "BASE/modules/m\(below):1:1: can be written by its group; "
                    + "run: chmod g-w 'BASE/modules/m\(below)'"
            ])
    }

    @Test("G13: complains of a directory above that others can write") func writableAbove() throws {
        try module("m")
        try directory.setMode("modules", 0o775)
        #expect(
            complaints() == [
                "BASE/modules/m:1:1: BASE/modules can be written by its group; "
                    + "run: chmod g-w 'BASE/modules'"
            ])
    }

    @Test(
        "lets the role's user own the executable, but not the manifest",
        .enabled(if: geteuid() == 0))
    func roleUser() throws {
        try module("m", manifest: "[check]\nuser = \"nobody\"")
        let nobody = try #require(UserAccount.named("nobody"))
        try directory.setOwner("modules/m/check", nobody.uid)
        #expect(complaints() == [])
        #expect(contents().modules[0].accounts[.check] == nobody)
        for name in ["modules/m/response", "modules/m/module.toml", "modules/m"] {
            try directory.setOwner(name, nobody.uid)
            #expect(
                complaints().first?.hasSuffix(
                    "belongs to nobody (uid \(nobody.uid)), not to root; "
                        + "run: chown root 'BASE/\(name)'") == true)
            try directory.setOwner(name, 0)
        }
    }

    @Test(
        "says where an unknown user is named",
        arguments: [
            ("user = \"no-such\"", ["1:8"]),
            ("description = \"x\"\n[response]\n  user = \"no-such\"", ["3:10"]),
            ("user = \"root\"\n[check]\nuser = \"no-such\"", ["3:8"]),
        ])
    func unknownUser(manifest: String, positions: [String]) throws {
        let found = try complaints(manifest: manifest)
        #expect(
            found
                == positions.map {
                    "BASE/modules/m/module.toml:\($0): 'user': there is no user \"no-such\"; "
                        + "create it, or name another"
                })
    }

    @Test("refuses another user to a daemon that cannot become one") func cannotSwitch() throws {
        let own = UserAccount.daemon.name
        let other = own == "nobody" ? "root" : "nobody"
        try module("m", manifest: "user = \"\(other)\"")
        try module("own", manifest: "user = \"\(own)\"")
        let complaints = contents(switchesUsers: false).allComplaints.map(plain)
        #expect(
            Set(complaints) == [
                "BASE/modules/m/module.toml:1:8: 'user': crd runs as \(own) and cannot become "
                    + "\"\(other)\"; run crd as root, or remove the key"
            ])
    }

    @Test("hands on what is wrong in the manifest") func manifest() throws {
        #expect(try complaints(manifest: "intervall = 3\n").count == 1)
        #expect(
            try complaints(manifest: "[check\n").first?.hasPrefix("BASE/modules/m/module.toml:1:")
                == true)
    }

    // MARK: Support modules

    @Test("refuses a name that is both") func both() throws {
        try module("twin")
        try supportModule("twin")
        #expect(
            complaints() == [
                "BASE/modules/twin:1:1: has the name of the support module BASE/support/twin; "
                    + "a name cannot be used for both: rename one of them"
            ])
    }

    @Test("a file among the support modules is no module's twin") func file() throws {
        try module("README")
        try directory.write("support/README", "")
        #expect(complaints() == [])
    }

    @Test("complains of a support module without its executable, or with a user module's")
    func support() throws {
        try directory.make("support/empty")
        try supportModule("mixed")
        for role in ["check", "response"] { try directory.write("support/mixed/\(role)", "") }
        #expect(
            complaints() == [
                "BASE/support/empty/empty:1:1: is not there; "
                    + "a module needs an executable of that name"
            ]
                + ["check", "response"].map {
                    "BASE/support/mixed/\($0):1:1: makes this a user module; move the directory "
                        + "to BASE/modules, or remove the file"
                })
    }

    // MARK: The shelves

    @Test("needs a directory of modules, but none of support modules") func noShelf() throws {
        rmdir(directory["modules"].string)
        rmdir(directory["support"].string)
        let remedy = "make the directory, or name another with 'modules' in crd.conf"
        #expect(
            complaints()
                == ["BASE/modules:1:1: cannot be read: No such file or directory; \(remedy)"])
        try directory.write("modules", "")
        try directory.write("support", "")
        #expect(
            complaints() == [
                "BASE/modules:1:1: cannot be read: Not a directory; \(remedy)",
                "BASE/support:1:1: cannot be read: Not a directory; make the directory, or name "
                    + "another with 'support' in crd.conf",
            ])
    }

    @Test("says that it may not read the modules", .enabled(if: geteuid() == 0))
    func unreadable() async throws {
        try directory.setMode("modules", 0o700)
        await #expect(processExitsWith: .success) { [path = directory.path.string as String] in
            seteuid(65_534)
            var configuration = Configuration()
            configuration.modules = path + "/modules"
            configuration.support = path + "/support"
            #expect(
                ModuleDirectories(configuration).contents().allComplaints.map(\.description) == [
                    "\(path)/modules:1:1: cannot be read: Permission denied; make the directory, "
                        + "or name another with 'modules' in crd.conf"
                ])
        }
    }
}
