// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import CTestSupport
import Glibc
public import SystemPackage

/// A program that is run to its end (posix_spawn(3)), without the code under test.
public struct Program {
    public var path: FilePath
    public var arguments: [[UInt8]]
    public var environment: [String: String] = ["PATH": "/usr/bin:/bin"]
    public var directory: FilePath = "/"
    public var input: [UInt8] = []

    public struct Outcome: Equatable {
        public var termination: Termination
        public var output = ""
        public var errors = ""

        public init(_ termination: Termination, output: String = "", errors: String = "") {
            self.termination = termination
            self.output = output
            self.errors = errors
        }
    }

    public init(_ path: FilePath, _ arguments: [String]) {
        self.path = path
        self.arguments = arguments.map { Array($0.utf8) }
    }

    /// A program that the build put beside the tests.
    public static func built(_ name: String, _ arguments: [String]) throws -> Program {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        try systemCall("readlink") { readlink("/proc/self/exe", &buffer, buffer.count - 1) }
        let tests = FilePath(platformString: buffer)
        return Program(tests.removingLastComponent().appending(name), arguments)
    }

    public func run() throws -> Outcome {
        let input = try MemoryFile(name: "input", input)
        let output = try MemoryOutput()
        let errors = try MemoryOutput()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.descriptor, 0)
        posix_spawn_file_actions_adddup2(&actions, output.descriptor, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.descriptor, 2)
        crd_test_add_chdir(&actions, directory.string)
        // A test's thread may block signals, and whoever started the tests may ignore some.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var pid: PID = 0
        let argv = [Array(path.string.utf8)] + arguments
        let envp = environment.sorted { $0.key < $1.key }.map { Array("\($0)=\($1)".utf8) }
        let code = Self.withPointers(argv) { argv in
            Self.withPointers(envp) { envp in
                posix_spawn(&pid, path.string, &actions, &attributes, argv, envp)
            }
        }
        guard code == 0 else {
            throw SystemCallError(
                function: "posix_spawn", errno: Errno(rawValue: code), subject: path.string)
        }
        var status: CInt = 0
        try systemCall("waitpid") { waitpid(pid, &status, 0) }
        let signal = status & 0x7f
        return Outcome(
            signal == 0 ? .exited(UInt8(status >> 8 & 0xff)) : .signaled(signal),
            output: output.text, errors: errors.text)
    }

    private static func withPointers<Result>(
        _ strings: [[UInt8]], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0.map { CChar(bitPattern: $0) } + [0]) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}
