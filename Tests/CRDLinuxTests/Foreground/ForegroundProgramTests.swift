// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Goal: when the program ends, however it ends, so does all that it started.
/// Method: shells, each awaited by its own process, since waiting ends all below the waiter.
@Suite("A program in the foreground", .timeLimit(.minutes(10)))
struct ForegroundProgramTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private struct Outcome {
        var ending: ForegroundProgram.Ending
        var output: String
        var lines: [String]
    }

    private static func shell(
        _ script: String, in directory: String = "/tmp", timeout: Duration = .seconds(60)
    ) -> ForegroundProgram {
        ForegroundProgram(
            path: "/bin/sh", arguments: ["-c", script],
            environment: CStringBlock(["PATH=/usr/bin:/bin", "A=1"]), directory: directory,
            timeout: timeout, grace: .milliseconds(200))
    }

    private static func run(_ program: ForegroundProgram) throws -> Outcome {
        let output = CaptureSink(limit: 1 << 20)
        let end = OutputTail()
        let ending = try program.run(
            output: output, errors: EchoSink(to: nil, keeping: end))
        return Outcome(
            ending: ending, output: String(decoding: output.bytes, as: UTF8.self), lines: end.lines)
    }

    private static var hasChildren: Bool {
        !ProcessTable.currentTree(below: [getpid()]).filter { $0.pid != getpid() }.isEmpty
    }

    @Test("how it ended, and what it printed")
    func endings() async throws {
        await #expect(processExitsWith: .success) {
            let told = try Self.run(Self.shell("echo out; echo a >&2; echo b >&2; echo $A; exit 3"))
            #expect(told.ending == .ended(.exited(3)))
            #expect(told.output == "out\n1\n" && told.lines == ["a", "b"])
            let killed = try Self.run(Self.shell("kill -9 $$"))
            #expect(killed.ending == .ended(.signaled(SIGKILL)))
            let inputs = try Self.run(Self.shell("cat; wc -c </dev/fd/3"))
            #expect(inputs.output == "0\n")
            #expect(throws: SpawnError.self) {
                var program = Self.shell("")
                program.path = "/nowhere"
                _ = try Self.run(program)
            }
        }
    }

    @Test("only the end of what it says is kept, without what commands a terminal")
    func outputEnd() async throws {
        await #expect(processExitsWith: .success) {
            let told = try Self.run(
                Self.shell("seq 1 100000 >&2; printf '\\033[2Jx\\ty\\r50%%\\n' >&2"))
            #expect(told.lines.count == 20)
            #expect(told.lines.suffix(3) == ["100000", "?[2Jx\ty", "50%"])
        }
    }

    @Test("the timeout ends all that it started, also what is deaf to SIGTERM or has left")
    func timeout() async throws {
        await #expect(processExitsWith: .success) {
            let told = try Self.run(
                Self.shell(
                    "trap '' TERM; setsid sleep 300 & (sleep 300 & sleep 300) & echo x; sleep 300; sleep 300",
                    timeout: .seconds(3)))
            #expect(told.ending == .timedOut(after: .seconds(3)))
            #expect(told.output == "x\n")
            #expect(!Self.hasChildren)
        }
    }

    @Test("what it leaves running is ended, or may stay; what stays is not ended by the next")
    func leftovers() async throws {
        await #expect(processExitsWith: .success) {
            let first = try Self.run(Self.shell("setsid sleep 300 &"))
            #expect(first.ending == .ended(.exited(0)))
            #expect(!Self.hasChildren)
            var program = Self.shell("setsid sleep 300 >/dev/null 2>&1 &")
            program.keepsLeftovers = true
            let second = try Self.run(program)
            #expect(second.ending == .ended(.exited(0)))
            #expect(Self.hasChildren)
            let third = try Self.run(Self.shell("sleep 300 &"))
            #expect(third.ending == .ended(.exited(0)))
            let left = ProcessTable.currentTree(below: [getpid()]).filter { $0.pid != getpid() }
            #expect(left.count == 1)
            for process in left { ProcessTable.send(SIGKILL, to: process) }
        }
    }

    @Test("what this process had started before stays, with what that starts meanwhile")
    func olderChildren() async throws {
        await #expect(processExitsWith: .success) { [path = directory.path.string as String] in
            let older = try Shell(
                "until [ -e '\(path)/go' ]; do sleep 0.02; done; sleep 300 & : >'\(path)/done'; wait"
            ).start()
            let told = try Self.run(
                Self.shell(": >go; until [ -e done ]; do sleep 0.02; done; sleep 300 &", in: path))
            #expect(told.ending == .ended(.exited(0)))
            let left = ProcessTable.currentTree(below: [getpid()]).filter { $0.pid != getpid() }
            #expect(left.count == 2 && left.first?.pid == older.pid)
            for process in left { ProcessTable.send(SIGKILL, to: process) }
            _ = try older.wait()
        }
    }

    @Test("what has printed enough is ended")
    func cut() async throws {
        await #expect(processExitsWith: .success) {
            let output = CaptureSink(limit: 1_000)
            let ending = try Self.shell("yes").run(
                output: output, errors: EchoSink(to: nil, keeping: OutputTail()),
                isEnough: { output.dropped > 0 })
            #expect(ending == .cut && output.bytes.count == 1_000)
            #expect(!Self.hasChildren)
        }
    }

    @Test("of git's words only its own progress is shown, whatever a server has it say")
    func progress() throws {
        let file = directory["shown"]
        let end = OutputTail()
        do {
            let descriptor = try Descriptor.open(file, O_WRONLY | O_CREAT, mode: 0o600)
            let output = GitProgressSink(to: descriptor.rawValue, keeping: end)
            let said =
                "remote: \u{1B}[8m\u{1B}]0;x\u{07}\nReceiving objects:  50% (1/2)\rReceiving objects: 100%\n"
                + "fatal: \u{1B}[2J\nResolving deltas: 100%\n"
            // In pieces, as a pipe delivers them.
            for piece in [said.prefix(30), said.dropFirst(30)] {
                Array(piece.utf8).withUnsafeBytes { output.receive($0) }
            }
        }
        let shown = try Descriptor.open(file, O_RDONLY).readAll()
        #expect(
            String(decoding: shown, as: UTF8.self)
                == "Receiving objects:  50% (1/2)\rReceiving objects: 100%\nResolving deltas: 100%\n"
        )
        #expect(end.lines.contains("fatal: ?[2J"))
    }

    @Test("no file grows beyond the limit, and the limit is the program's alone")
    func fileSize() async throws {
        await #expect(processExitsWith: .success) { [path = directory.path.string as String] in
            var program = Self.shell("head -c 100000 /dev/zero >large; echo $?", in: path)
            program.fileSizeMax = 4_096
            let cut = try Self.run(program)
            #expect(cut.output == "\(128 + SIGXFSZ)\n")
            #expect(FileStatus(of: FilePath("\(path)/large"))?.size == 4_096)
            program.fileSizeMax = nil
            let whole = try Self.run(program)
            #expect(whole.output == "0\n")
        }
    }
}
