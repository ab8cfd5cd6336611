// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import CRDModules
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Goal: what is judged good can be executed, and what is judged bad cannot.
/// Method: each file is also executed.
@Suite("What can be executed")
struct ExecutableJudgementTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func judge(_ text: String, searchPath: String? = nil) throws
        -> ExecutableJudgement.Objection?
    {
        let file = try directory.write("check", text, mode: 0o755)
        let objection = ExecutableJudgement().objection(
            to: file, as: "check", searchPath: searchPath)
        var program = Program(file, [])
        program.directory = directory.path
        let outcome = try? program.run()
        // env(1) and sh(1) report by 126 and 127 that they could not.
        let hasRun =
            outcome.map { ![.exited(126), .exited(127)].contains($0.termination) } ?? false
        #expect(hasRun == (objection == nil), "\(text): \(String(describing: outcome))")
        return objection
    }

    @Test(
        "a script whose interpreter is there",
        arguments: [
            "#!/bin/sh\nexit 0\n", "#! /bin/sh -e\nexit 0\n", "#!/usr/bin/env sh\nexit 0\n",
            "#!/usr/bin/env -S sh -e\nexit 0\n", "#!/bin/true",
        ])
    func good(text: String) throws {
        #expect(try judge(text) == nil)
    }

    @Test(
        "one whose interpreter is not, or is none",
        arguments: [
            ("#!/nowhere/no-such-shell\n", "which is not there; install it, or name another"),
            ("#!/nowhere/sh\n", "sh', which is there"),
            ("#!/etc/passwd/sh\n", "which is not there"), ("#!/tmp\n", "is not a program"),
            ("#!/etc/passwd\n", "run: chmod +x '/etc/passwd'"),
            ("#!/usr/bin/env no-such-program\n", "env look for no-such-program"),
            ("#!/usr/bin/env -S no-such-program -e\n", "env look for no-such-program"),
            ("#!/usr/bin/env sh -e\n", "write '#!/usr/bin/env -S sh -e'"),
        ])
    func missing(text: String, says: String) throws {
        let objection = try #require(try judge(text))
        #expect(objection.isOfMachine)
        #expect(objection.reason.contains(says), "\(objection.reason)")
    }

    @Test("through interpreters that are scripts, and in the module's own directory")
    func chain() throws {
        try directory.write("bin/run", "#!/bin/sh\nexit 0\n", mode: 0o755)
        try directory.write("bin/bad", "#!/nowhere/no-such-shell\n", mode: 0o755)
        try directory.write("bin/text", "exit 0\n", mode: 0o755)
        #expect(try judge("#!bin/run\n") == nil)
        #expect(try judge("#!\(directory["bin/run"])\n") == nil)
        let bad = try #require(try judge("#!\(directory["bin/bad"])\n"))
        #expect(
            bad.reason.contains(
                "bad, which has a #! line that names the interpreter /nowhere/no-such-shell"))
        #expect(try judge("#!\(directory["bin/text"])\n")?.reason.contains("neither") == true)
        try directory.write("bin/loop", "#!\(directory["bin/loop"])\n", mode: 0o755)
        #expect(try judge("#!\(directory["bin/loop"])\n")?.reason.contains("follows") == true)
    }

    @Test("a program of this machine, and one whose loader is not there") func program() throws {
        let bytes = try Descriptor.open("/bin/true", O_RDONLY).readAll()
        func judge(_ bytes: [UInt8]) throws -> ExecutableJudgement.Objection? {
            let file = try directory.write("program", "", mode: 0o755)
            try Descriptor.open(file, O_WRONLY).writeAll(bytes)
            return ExecutableJudgement().objection(to: file, as: "program")
        }
        #expect(try judge(bytes) == nil)
        var other = bytes
        let loader = Array("/lib".utf8)
        let place = try #require(
            (0..<4_000).first { Array(bytes[$0..<($0 + loader.count)]) == loader })
        other[place + 1] = UInt8(ascii: "L")
        let objection = try #require(try judge(other))
        #expect(objection.reason.hasPrefix("needs the loader /Lib"))
        var foreign = bytes
        foreign.replaceSubrange(18..<20, with: [8, 0])
        #expect(try judge(foreign)?.isOfMachine == false)
    }

    @Test("what may not be read is not judged, and where programs are may be said")
    func unread() throws {
        #expect(ExecutableJudgement().objection(to: directory["none"], as: "none") == nil)
        try directory.write("bin/only-here", "#!/bin/sh\n", mode: 0o755)
        let file = try directory.write("check", "#!/usr/bin/env only-here\n", mode: 0o755)
        let judgement = ExecutableJudgement()
        #expect(judgement.objection(to: file, as: "check") != nil)
        let path = directory["bin"].string
        #expect(judgement.objection(to: file, as: "check", searchPath: path) == nil)
    }
}
