// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A directory with a crd.conf, modules and, when a test starts it, the real daemon.
///
/// When it is dropped nothing of it is left: no process, no file.
final class World {
    /// Writable by anybody, for what modules want to tell the test.
    let notes: String
    let directory: String
    let configuration: String
    let log: String
    /// A command that does nothing for days, and by which its processes are found, whatever they do
    /// to their environment.
    let forever: String
    private(set) var daemon: Program?

    /// - Parameters:
    ///   - interval: long where one check, the one at the start, is enough.
    ///   - more: further lines of crd.conf.
    init(
        interval: String = "1h", timeout: String = "60s", grace: String = "300ms",
        more: String = "",
        inMemory: Bool = false
    ) throws {
        directory = try TemporaryDirectory.make(inMemory: inMemory)
        notes = directory + "/notes"
        configuration = directory + "/crd.conf"
        log = directory + "/log"
        forever =
            "sleep 1000000.\(directory.utf8.reduce(0) { ($0 * 31 + Int($1)) % 1_000_000_007 })"
        Janitor.shared.expect(directory, forever)
        for name in ["modules", "support", "notes"] { try makeDirectory(name) }
        chmod(notes, 0o777)
        try write(
            """
            modules = "\(directory)/modules"
            support = "\(directory)/support"
            state = "\(directory)/state"
            runtime = "\(directory)/run"
            interval = "\(interval)"
            timeout = "\(timeout)"
            grace = "\(grace)"
            \(more)

            """, to: "crd.conf")
    }

    deinit {
        daemon = nil
        // A process may fork between the look and the signal.
        for _ in 0..<100 {
            let left = leftovers()
            if left.isEmpty { break }
            for pid in left { kill(pid, SIGKILL) }
            usleep(10_000)
        }
        try? FileManager.default.removeItem(atPath: directory)
    }

    // MARK: Files

    /// Makes a module of two shell scripts, or of others that begin with `#!`.
    @discardableResult
    func module(
        _ name: String, check: String, response: String = "exit 0", manifest: String? = nil
    ) throws -> String {
        let path = try makeDirectory("modules/\(name)")
        try script(check, at: "modules/\(name)/check")
        try script(response, at: "modules/\(name)/response")
        if let manifest { try write(manifest + "\n", to: "modules/\(name)/module.toml") }
        return path
    }

    @discardableResult
    func script(_ text: String, at path: String) throws -> String {
        try write(text.hasPrefix("#!") ? text : "#!/bin/sh\n\(text)\n", to: path, mode: 0o755)
    }

    @discardableResult
    func write(_ text: String, to path: String, mode: mode_t = 0o644) throws -> String {
        let full = "\(directory)/\(path)"
        try Program.startingOrWriting.withLock {
            try Data(text.utf8).write(to: URL(fileURLWithPath: full))
        }
        chmod(full, mode)
        return full
    }

    @discardableResult
    func makeDirectory(_ path: String) throws -> String {
        let full = "\(directory)/\(path)"
        try FileManager.default.createDirectory(atPath: full, withIntermediateDirectories: false)
        chmod(full, 0o755)
        return full
    }

    /// What a module noted; nil where it has not.
    func note(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(notes)/\(name)")
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// Shell that notes what a command prints, all of it at once.
    func noting(_ name: String, _ command: String) -> String {
        "\(command) >'\(notes)/\(name).new'; mv '\(notes)/\(name).new' '\(notes)/\(name)'"
    }

    /// Shell that waits for a note.
    func waiting(for name: String) -> String {
        "until [ -e '\(notes)/\(name)' ]; do sleep 0.01; done"
    }

    func notedLines(_ name: String) -> [String] {
        (note(name) ?? "").split(separator: "\n").map(String.init)
    }

    func remove(note name: String) {
        unlink("\(notes)/\(name)")
    }

    // MARK: The daemon

    /// crd's environment, unless a test says otherwise.
    static let environment = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"]

    /// Starts the daemon and waits until it answers.
    ///
    /// - Parameter prefix: a command to run it with, such as setpriv(1).
    @discardableResult
    func start(
        _ prefix: [String] = [], environment: [String: String] = World.environment,
        options: [String] = []
    ) async throws -> Program {
        let program = try launch(prefix, environment: environment, options: options)
        try await eventually("the daemon answers") {
            if program.hasEnded { throw Trouble("the daemon ended at once: \(lines.suffix(5))") }
            return (try? list()) != nil
        }
        return program
    }

    /// Starts the daemon and waits for nothing.
    @discardableResult
    func launch(
        _ prefix: [String] = [], environment: [String: String] = World.environment,
        options: [String] = []
    ) throws -> Program {
        let command = [Binary.path, "daemon", "--config", configuration] + options
        let program = try Program(
            prefix + command, environment: environment, output: log, errors: log)
        daemon = program
        return program
    }

    /// Sends a signal and waits for the daemon's end.
    @discardableResult
    func stop(_ signal: CInt = SIGTERM) async throws -> Program.Ending {
        guard let daemon else { throw Trouble("there is no daemon to stop") }
        daemon.send(signal)
        return try await daemon.end()
    }

    /// What the daemon has written to standard error.
    var lines: [String] {
        let data = FileManager.default.contents(atPath: log) ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// crd's environment for reading this world's crd.conf.
    var environment: [String: String] {
        World.environment.merging(["CRD_CONFIG": configuration]) { $1 }
    }

    /// Starts another crd command without waiting. Its output goes to a file.
    func begin(_ arguments: [String], saying file: String = "said") throws -> Program {
        let said = "\(directory)/\(file)"
        return try Program(
            [Binary.path] + arguments, environment: environment, output: said, errors: said)
    }

    /// Its output so far.
    func said(_ file: String = "said") -> String {
        String(
            decoding: FileManager.default.contents(atPath: "\(directory)/\(file)") ?? Data(),
            as: UTF8.self)
    }

    /// Runs another crd command to its end.
    func crd(
        _ arguments: [String], prefix: [String] = [], environment: [String: String]? = nil
    ) async throws -> Outcome {
        try await .of(
            prefix + [Binary.path] + arguments,
            environment: environment ?? self.environment,
            in: directory)
    }

    /// Has the daemon read its files again, and waits for that.
    @discardableResult
    func reload() async throws -> Outcome { try await crd(["reload"]) }

    // MARK: What is there

    var socket: String { "\(directory)/run/crd.sock" }

    /// What `List` answers.
    func list() throws -> Listing {
        try VarlinkClient(socket).list()
    }

    func listed(_ name: String) throws -> Listing.Module {
        guard let module = try list().modules.first(where: { $0.name == name }) else {
            throw Trouble("module \(name) is not listed")
        }
        return module
    }

    /// Waits until the module has had that many runs.
    @discardableResult
    func runs(_ count: Int, of name: String) async throws -> Listing.Module {
        try await eventually("\(name) has \(count) runs") { try listed(name).runs >= count }
        return try listed(name)
    }

    /// Living processes that execute `forever`.
    func sleepers() -> [pid_t] {
        // With the NUL after the argument, so that a shell with it in its script does not count.
        Processes.executing(forever.replacingOccurrences(of: " ", with: "\0") + "\0")
    }

    /// Living processes that belong to this world.
    private func leftovers() -> [pid_t] {
        Set(sleepers() + Processes.mentioning(directory)).filter { $0 != daemon?.pid }
    }
}

/// The program under test, built beside the test bundle.
enum Binary {
    static let path: String = {
        // The test bundle is the running program, or an argument of the program that runs it.
        for candidate in ["/proc/self/exe"] + CommandLine.arguments {
            let file = URL(fileURLWithPath: candidate).resolvingSymlinksInPath()
            let crd = file.deletingLastPathComponent().appendingPathComponent("crd").path
            if access(crd, X_OK) == 0 { return crd }
        }
        return ".build/debug/crd"
    }()
}

/// `List`'s answer, spelled out again here: clients rely on it.
struct Listing: Decodable {
    struct Daemon: Decodable {
        var pid: Int
        var slots: Int
        var running: Int
        var containment: String
        var overflows: Int
        var journalWake: String?
        var patternsExceeded: Int?
        var complaints: [String]?
    }

    struct Run: Decodable {
        var trigger: String
        var check: String
        var response: String?
    }

    struct Module: Decodable {
        var name: String
        var kind: String
        var state: String
        var reason: String?
        var pending: Int
        var runs: Int
        var responses: Int
        var last: Run?
    }

    var daemon: Daemon?
    var modules: [Module]
}
