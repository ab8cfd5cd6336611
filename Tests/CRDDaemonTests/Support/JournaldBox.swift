// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A real journald in a mount namespace of its own, with nothing of the machine's journal in it.
///
/// When it is dropped, journald ends, even if others are still inside. A local constant is dropped
/// after its last use, not at the end of the test.
final class JournaldBox {
    enum Storage: String {
        case volatile, persistent
        /// Persistent, but nothing is written to /var before `flush()`, as while a machine boots.
        case unflushed
    }

    typealias Entry = [String: Any]

    let mounts: MountNamespace
    /// nil while it is stopped.
    private(set) var journald: Program?
    private var socket: JournalSocket?
    private var forgeries = 0
    private let storage: Storage

    static let isPossible =
        MountNamespace.isPossible
        && ["systemd-journald", "systemd-cat", "journalctl", "setpriv"]
            .allSatisfy { Surroundings.find($0) != nil }
    static let needs = "\(MountNamespace.needs), setpriv and systemd-journald"

    static let canForge = isPossible && Surroundings.find("systemd-journal-remote") != nil
    static let needsForger = "\(needs), and systemd-journal-remote"

    /// - Parameter more: further lines of journald.conf; they override those here.
    init(_ storage: Storage = .volatile, more: String = "") async throws {
        self.storage = storage
        let id = UUID().uuidString.lowercased().filter(\.isHexDigit)
        machineID = id
        // journald makes /dev/log, which must not be the machine's.
        mounts = try MountNamespace(
            """
            empty /run/systemd /run/log /var/log/journal
            overlay /dev /dev
            ln -sf /run/systemd/journal/dev-log /dev/log
            echo \(id) >"$layers/machine-id"
            mount --bind "$layers/machine-id" /etc/machine-id
            mkdir -p /run/systemd/journal /run/systemd/journald.conf.d
            \(storage == .persistent ? ": >/run/systemd/journal/flushed" : ":")
            # The last name of all.
            cat >/run/systemd/journald.conf.d/zzz.conf <<'END'
            [Journal]
            Storage=\(storage == .volatile ? "volatile" : "persistent")
            RateLimitIntervalSec=0
            RateLimitBurst=0
            ReadKMsg=no
            Audit=
            ForwardToSyslog=no
            ForwardToKMsg=no
            ForwardToConsole=no
            ForwardToWall=no
            RuntimeMaxUse=64M
            SystemMaxUse=64M
            \(more)
            END
            """)
        try await start()
    }

    // MARK: Inside

    let machineID: String

    /// A prefix that runs a command where this journal is the machine's.
    var prefix: [String] { mounts.prefix }

    /// The same, with standard error connected to the journal, as the service manager does it.
    var connectedPrefix: [String] {
        // Newer ones set JOURNAL_STREAM themselves.
        prefix + [
            Surroundings.find("systemd-cat") ?? "systemd-cat", "--identifier=cat", "--", "/bin/sh",
            "-c", "JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec \"$@\"", "sh",
        ]
    }

    /// Runs a shell inside, to its end, and returns its output.
    @discardableResult
    func run(_ script: String) async throws -> String {
        try await mounts.run(script)
    }

    /// Where the journal's files are, as seen inside.
    var files: String {
        "\(storage == .persistent ? "/var" : "/run")/log/journal/\(machineID)"
    }

    // MARK: Entries

    /// Sends an entry by journald's native protocol.
    ///
    /// - Parameters:
    ///   - pid: of the process that journald takes for the sender, and whose name, cgroup and so on
    ///     it looks up: any living one, `PretendUnit.pid` or 1. It is this process otherwise.
    ///   - uid: the user that journald takes for the sender's.
    func send(
        _ fields: KeyValuePairs<String, String>, from pid: pid_t = getpid(), uid: uid_t = geteuid()
    ) throws {
        try send(bytes: fields.map { ($0.key, Array($0.value.utf8)) }, from: pid, uid: uid)
    }

    /// The same with values of any bytes.
    func send(
        bytes fields: [JournalSocket.Field], from pid: pid_t = getpid(), uid: uid_t = geteuid()
    ) throws {
        guard let socket else { throw Trouble("journald is stopped") }
        try socket.send(fields, from: pid, uid: uid)
    }

    /// All entries, the oldest first; journald's own are among them.
    func entries() async throws -> [Entry] {
        try await sync()
        return try await run("journalctl --all --output=json --no-pager").split(separator: "\n")
            .map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? Entry ?? [:] }
    }

    /// Adds a journal file with entries that nobody has sent, in the order of their times.
    func forge(_ entries: [ForgedEntry]) async throws {
        forgeries += 1
        let name = "\(mounts.directory)/forged-\(forgeries)"
        let bytes = entries.sorted { $0.time < $1.time }.flatMap { $0.exported() }
        try Data(bytes).write(to: URL(fileURLWithPath: "\(name).export"))
        let forger = Surroundings.find("systemd-journal-remote") ?? "systemd-journal-remote"
        // Readers see the complete file, under a name like those of the system's journals.
        try await run(
            """
            mkdir -p '\(files)' &&
            '\(forger)' --split-mode=none --output='\(name).journal' '\(name).export' >&2 &&
            cp '\(name).journal' '\(files)/.forged' &&
            mv '\(files)/.forged' '\(files)/system@forged-\(forgeries).journal'
            """)
    }

    // MARK: journald

    /// Auditing belongs to the whole machine: this journald neither receives nor switches it.
    private static let withoutAudit = [
        Surroundings.find("setpriv") ?? "setpriv", "--bounding-set=-audit_read,-audit_control",
        "--inh-caps=-audit_read,-audit_control",
    ]

    /// Starts it; it takes entries when this returns.
    func start() async throws {
        let places = ["socket", "stdout", "dev-log", "io.systemd.journal"].map {
            mounts.path("/run/systemd/journal/\($0)")
        }
        for place in places { unlink(place) }
        let log = "\(mounts.directory)/journald"
        let program = try Program(
            prefix + Self.withoutAudit + [
                Surroundings.find("systemd-journald") ?? "systemd-journald"
            ],
            environment: mounts.environment.merging(["SYSTEMD_LOG_TARGET": "console"]) { $1 },
            output: log, errors: log)
        try await eventually("journald listens", every: .milliseconds(2)) {
            guard !program.hasEnded else {
                let said = try? String(contentsOfFile: log, encoding: .utf8)
                throw Trouble("journald ended at once: \(said ?? "")")
            }
            return places.allSatisfy { access($0, F_OK) == 0 }
        }
        socket = try JournalSocket(places[0])
        journald = program
    }

    /// Ends it; SIGKILL does so in the middle of its work. Entries cannot be sent then.
    func stop(_ signal: CInt = SIGTERM) async throws {
        socket = nil
        journald?.send(signal)
        try await journald?.end()
        journald = nil
    }

    func restart(_ signal: CInt = SIGTERM) async throws {
        try await stop(signal)
        try await start()
    }

    /// Waits until all that was sent is in the journal.
    func sync() async throws { try await run("journalctl --sync") }

    /// Makes it begin a new file and archive the current one.
    func rotate() async throws { try await run("journalctl --rotate") }

    /// Removes archived files, the oldest first.
    func vacuum(keeping count: Int) async throws {
        try await run("journalctl --vacuum-files=\(count)")
    }

    /// Moves what is in /run to /var.
    func flush() async throws { try await run("journalctl --flush") }
}
