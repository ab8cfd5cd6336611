// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Goal: `crd -x NAME` acts as if the module's executable had been called.
/// Method: the built program, and shell scripts as modules.
@Suite("crd -x", .timeLimit(.minutes(10)))
struct ModuleExecutionTests {
    private let directory: TemporaryDirectory
    private var configuration: String { directory["crd.conf"].string }

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write(
            "crd.conf",
            """
            modules = "\(directory["modules"])"
            support = "\(directory["support"])"
            state = "\(directory["state"])"
            runtime = "\(directory["run"])"

            """)
    }

    private func support(
        _ name: String, _ script: String, mode: ModeBits = 0o755
    ) throws {
        try directory.write("support/\(name)/\(name)", script, mode: mode)
    }

    private func crd(_ arguments: [String]) throws -> Program {
        try Program.built("crd", ["--config", configuration] + arguments)
    }

    private func execute(_ arguments: String...) throws -> Program.Outcome {
        try crd(["-x"] + arguments).run()
    }

    private func says(_ code: UInt8, _ message: String) -> Program.Outcome {
        .init(.exited(code), errors: "crd: \(message)\n")
    }

    // MARK: It becomes the module

    @Test("hands the exit code through", arguments: [0, 1, 2, 77, 78, 126, 127, 128, 200, 255])
    func exitCode(code: UInt8) throws {
        try support("exit", "#!/bin/sh\nexit $1\n")
        #expect(try execute("exit", "\(code)") == .init(.exited(code)))
    }

    @Test("hands a signal through", arguments: [SIGTERM, SIGKILL, SIGINT, SIGPIPE])
    func signal(number: CInt) throws {
        try support("die", "#!/bin/sh\nkill -$1 $$\n")
        #expect(try execute("die", "\(number)") == .init(.signaled(number)))
    }

    @Test(
        "hands every argument on untouched",
        arguments: [
            [], [""], ["", "", " "], ["--help"], ["-x", "-x"], ["--config", "/nowhere"],
            ["--config=/nowhere", "--version", "--"], ["a\nb", "'\"$HOME`*"], ["-l", "daemon"],
        ])
    func arguments(arguments: [String]) throws {
        try support("show", "#!/bin/sh\nfor argument; do printf '<%s>' \"$argument\"; done\n")
        var program = try crd(["-x", "show"] + arguments)
        program.input = Array("not read".utf8)
        let shown = arguments.map { "<\($0)>" }.joined()
        #expect(try program.run() == .init(.exited(0), output: shown))
    }

    @Test("hands on bytes that are not UTF-8") func bytes() throws {
        try support("hex", "#!/bin/sh\nprintf %s \"$1\" | od -An -tx1\n")
        var program = try crd(["-x", "hex"])
        program.arguments.append([0xff, 0x61, 0xc3, 0xe4])
        #expect(try program.run().output == " ff 61 c3 e4\n")
    }

    @Test("keeps standard input, output, error, environment and working directory") func world()
        throws
    {
        try support("world", "#!/bin/sh\ncat\nreadlink /proc/$$/cwd\nenv | sort >&2\n")
        var program = try crd(["-x", "world"])
        program.input = Array("input\n".utf8)
        program.directory = "/usr"
        program.environment = ["A": "1", "B": "x y"]
        let outcome = try program.run()
        #expect(outcome.termination == .exited(0))
        #expect(outcome.output == "input\n/usr\n")
        let names = outcome.errors.split(separator: "\n").map { $0.prefix { $0 != "=" } }
        // The shell adds PWD and its like.
        #expect(outcome.errors.contains("A=1\nB=x y\nCRD_SUPPORT=world\n"))
        #expect(
            Set(names).subtracting(["A", "B", "CRD_SUPPORT"]).isSubset(of: [
                "PWD", "OLDPWD", "SHLVL", "_",
            ]))
    }

    @Test("calls the check of a user module, and the support module first") func kinds() throws {
        try directory.write("modules/m/check", "#!/bin/sh\necho check $0 $*\n", mode: 0o755)
        #expect(
            try execute("m", "-x").output == "check \(directory["modules/m/check"]) -x\n")
        try support("m", "#!/bin/sh\necho support\n")
        #expect(try execute("m").output == "support\n")
    }

    @Test("takes the configuration from --config=, and else from CRD_CONFIG") func naming() throws {
        try support("yes", "#!/bin/sh\necho yes\n")
        var program = try Program.built("crd", ["--config=\(configuration)", "-x", "yes"])
        #expect(try program.run().output == "yes\n")
        program = try Program.built("crd", ["-x", "yes"])
        program.environment["CRD_CONFIG"] = "crd.conf"
        program.directory = directory.path
        #expect(try program.run().output == "yes\n")
    }

    // MARK: As the daemon would start it

    private func check(_ name: String, _ script: String, manifest: String = "") throws {
        try directory.write("modules/\(name)/check", script, mode: 0o755)
        try directory.write("modules/\(name)/module.toml", manifest)
    }

    @Test("a check finds what the daemon would give it, and nothing of its caller's") func scene()
        throws
    {
        try check(
            "Log",
            """
            #!/bin/sh
            cat
            umask; pwd; ls /proc/self/fd | wc -l; wc -c <"$CRD_EVENTS"
            echo "$#:$*"
            echo 3 >"$CRD_STATE/size" && stat -c %a "$CRD_STATE"
            env | grep -v -e ^PWD= -e ^OLDPWD= -e ^SHLVL= -e ^_= -e ^CRD_RUN= -e ^PATH= | sort
            exit 4
            """, manifest: "environment = { LIMIT = \"5\" }\n")
        var program = try crd(["-x", "Log", "--config", "a b"])
        program.input = Array("input\n".utf8)
        program.directory = "/usr"
        program.environment = [
            "A": "1", "CRD_STATE": "/", "CRD_SUPPORT": "x", "NOTIFY_SOCKET": "/n", "TZ": "UTC",
            "TERM": "dumb",
        ]
        let outcome = try program.run()
        #expect(outcome.termination == .exited(4), "\(outcome)")
        let own = UserAccount.daemon
        let base = directory.path
        #expect(
            outcome.output == """
                0022
                \(base)/modules/Log
                5
                0
                2:--config a b
                700
                CRD_CONFIG=\(configuration)
                CRD_EVENTS=/dev/fd/3
                CRD_EVENT_COUNT=0
                CRD_EVENT_DROPPED=0
                CRD_MODULE=Log
                CRD_ROLE=check
                CRD_SOCKET=\(base)/run/crd.sock
                CRD_STATE=\(base)/state/modules/Log
                CRD_TRIGGER=request
                HOME=\(own.home)
                LIMIT=5
                LOGNAME=\(own.name)
                SHELL=\(own.shell)
                TZ=UTC
                USER=\(own.name)

                """)
        #expect(FileStatus(of: directory["state/modules/Log/size"]) != nil)
    }

    @Test("and its caller's signals are none of its own") func signals() throws {
        try check("Log", "#!/bin/sh\nsed -n 's/^Sig\\(Blk\\|Ign\\):.//p' /proc/self/status\n")
        let crd = try crd(["-x", "Log"])
        var program = Program("/usr/bin/nohup", [])
        program.arguments += [Array(crd.path.string.utf8)] + crd.arguments
        let outcome = try program.run()
        #expect(outcome.output == "0000000000000000\n0000000000000000\n", "\(outcome)")
    }

    @Test(
        "root becomes the role's user, and the state is that user's", .enabled(if: geteuid() == 0))
    func user() throws {
        let daemon = try #require(UserAccount.named("daemon"))
        try check(
            "Log", "#!/bin/sh\nid -u; id -G; stat -c %u \"$CRD_STATE\"; echo $CRD_STATE $USER\n",
            manifest: "[check]\nuser = \"daemon\"\n")
        let outcome = try execute("Log")
        let groups = daemon.groups.map(String.init).joined(separator: " ")
        let state = directory["state/modules/Log/check"]
        #expect(
            outcome.output
                == "\(daemon.uid)\n\(groups)\n\(daemon.uid)\n\(state) daemon\n", "\(outcome)")
    }

    @Test("a run that calls it keeps its CRD_RUN, anybody else gets one that no daemon knows")
    func run() throws {
        try check("Log", "#!/bin/sh\necho $CRD_RUN\n")
        var program = try crd(["-x", "Log"])
        #expect(try program.run().output.hasPrefix("x-"))
        program.environment["CRD_RUN"] = "abc-1"
        #expect(try program.run().output == "abc-1\n")
    }

    @Test("what the daemon would refuse is refused, and CRD_STATE that cannot be made is not")
    func refusedModule() throws {
        try check("Log", "#!/bin/sh\necho yes\n", manifest: "nonsense = 1\n")
        let outcome = try execute("Log")
        #expect(outcome.termination == .exited(126) && outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("crd: \(directory["modules/Log/module.toml"]):1:1: "))
        try directory.write("modules/Log/module.toml", "")
        try directory.write("state", "not a directory")
        let other = try execute("Log")
        #expect(other.termination == .exited(0) && other.output == "yes\n", "\(other)")
        if geteuid() == 0 { #expect(other.errors.contains("the module has no CRD_STATE")) }
    }

    @Test("127: the check is called otherwise") func misnamed() throws {
        try directory.write("modules/Log/check.sh", "#!/bin/sh\n", mode: 0o755)
        #expect(try execute("Log").errors.contains("; check.sh is there: rename it to check;"))
    }

    // MARK: It cannot

    @Test("127: there is no such module", arguments: ["none", "m-m", "x"]) func unknown(
        name: String
    )
        throws
    {
        let base = directory.path
        #expect(
            try execute(name, "--help")
                == says(
                    127,
                    "there is no module \(name): neither \(base)/support/\(name)/\(name) nor "
                        + "\(base)/modules/\(name)/check is there; "
                        + "'crd list' shows those that exist"))
    }

    @Test("127: that cannot be a name", arguments: ["", "..", "../x", "/bin/sh", "-h", "a b"])
    func noName(name: String) throws {
        #expect(try execute(name) == says(127, "'\(name)' cannot be a module's name"))
    }

    @Test("64: no name at all") func nothing() throws {
        #expect(
            try execute()
                == says(64, "-x needs the name of a module: crd -x NAME [ARGUMENT...]"))
    }

    @Test("78: the configuration is broken, and nothing is executed") func broken() throws {
        try support("yes", "#!/bin/sh\necho yes\n")
        try directory.write("crd.conf", "slots = 0\n")
        let outcome = try execute("yes")
        #expect(outcome.termination == .exited(78) && outcome.output == "")
        #expect(outcome.errors.hasPrefix("crd: \(configuration):1:9: "))
    }

    @Test("126: it cannot be executed") func notExecutable() throws {
        try support("plain", "#!/bin/sh\n", mode: 0o644)
        try support("text", "echo yes\n")
        try support("gone", "#!/nowhere/sh\n")
        try directory.make("support/directory/directory")
        try directory.make("support/dangling")
        try directory.link("support/dangling/dangling", to: "nowhere")
        func file(_ name: String) -> FilePath { directory["support/\(name)/\(name)"] }
        for (name, message) in [
            ("plain", " is not executable; run: chmod +x '\(file("plain"))'"),
            ("directory", " is not a regular file; put an executable there"),
        ] {
            #expect(try execute(name) == says(126, "\(file(name))\(message)"))
        }
        #expect(
            try execute("dangling")
                == says(
                    126,
                    "\(file("dangling")) is a symbolic link that leads nowhere "
                        + "(\(directory["support/dangling/nowhere"]) is not there); "
                        + "fix or remove it"))
        #expect(
            try execute("text")
                == says(
                    126,
                    "\(file("text")) is neither a program for this machine nor a script with a #! "
                        + "line; make '#!/bin/sh' or the like its first line"))
        #expect(
            try execute("gone")
                == says(
                    126,
                    "\(file("gone")) has a #! line that names the interpreter /nowhere/sh, which is "
                        + "not there; write '#!/usr/bin/sh', which is there"))
    }

    @Test(
        "G13: 126: others could have written it",
        arguments: [
            "support/open/open", "support/open", "support",
        ])
    func writable(name: String) throws {
        try support("open", "#!/bin/sh\necho yes\n")
        try directory.setMode(name, 0o775)
        #expect(
            try execute("open")
                == says(
                    126,
                    "\(directory[name]) can be written by its group; "
                        + "run: chmod g-w '\(directory[name])'"))
    }
}
