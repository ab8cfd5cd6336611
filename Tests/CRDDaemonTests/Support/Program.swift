// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A program that a test has started; killed, at the latest, when it is dropped.
///
/// Not Foundation's `Process`: a daemon deserves the signal mask and the descriptors that a service
/// manager gives it, not those of the thread that a test happens to run on.
final class Program {
    /// How it ended, in a shell's numbers: the exit code, or 128 and the signal.
    typealias Ending = CInt

    /// A program being started holds open what the test is writing, and a file being written cannot
    /// be executed (ETXTBSY): so only one at a time.
    static let startingOrWriting = NSLock()

    let pid: pid_t
    private var ending: Ending?

    /// - Parameters:
    ///   - arguments: the first is the program's path.
    ///   - environment: all of it.
    ///   - output, errors: files that standard output and standard error are appended to.
    init(
        _ arguments: [String], environment: [String: String], input: String = "/dev/null",
        output: String, errors: String
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let append = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, append, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, errors, append, 0o644)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let argv = arguments.map { strdup($0) } + [nil]
        let envp = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for string in argv + envp { free(string) } }
        var pid: pid_t = 0
        let code = Self.startingOrWriting.withLock {
            posix_spawn(&pid, arguments[0], &actions, &attributes, argv, envp)
        }
        guard code == 0 else {
            throw Trouble("\(arguments[0]) cannot be started: \(String(cString: strerror(code)))")
        }
        self.pid = pid
    }

    deinit {
        guard !hasEnded else { return }
        kill(pid, SIGKILL)
        var status: CInt = 0
        waitpid(pid, &status, 0)
    }

    var hasEnded: Bool {
        if ending != nil { return true }
        var status: CInt = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return false }
        ending = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        return true
    }

    func send(_ signal: CInt) {
        if !hasEnded { kill(pid, signal) }
    }

    /// Waits for its end.
    @discardableResult
    func end() async throws -> Ending {
        try await eventually("process \(pid) ends") { hasEnded }
        return ending ?? -1
    }
}

/// Why a test cannot go on.
struct Trouble: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
