// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// Recognizes entries of the daemon and output of its runs, which must not trigger runs again.
///
/// It uses only trusted fields, which journald fills in itself (systemd.journal-fields(7)): a
/// sender cannot hide entries from the daemon by their content.
public struct OwnEntries: Sendable {
    private let pid: [UInt8]
    /// Before this process began, its number belonged to another.
    private let bootID: String
    private let since: Int64
    private let uid: [UInt8]
    private let executable: [UInt8]
    /// Nil for the root cgroup, which contains every process.
    private let cgroup: [UInt8]?

    /// Describes this process, before it moves to another cgroup.
    public init() {
        self.init(
            pid: getpid(), bootID: JournalReader.currentBootID(),
            since: Clock.monotonicMicroseconds, uid: geteuid(),
            executable: SymbolicLink.target(of: "/proc/self/exe")?.string ?? "",
            cgroup: Self.ownCgroup())
    }

    /// - Parameter since: when this process began, in microseconds since the boot.
    init(
        pid: PID, bootID: String, since: Int64, uid: UID, executable: String, cgroup: String?
    ) {
        self.pid = Array("\(pid)".utf8)
        self.bootID = bootID
        self.since = since
        self.uid = Array("\(uid)".utf8)
        self.executable = Array(executable.utf8)
        self.cgroup = cgroup == "/" ? nil : cgroup.map { Array($0.utf8) }
    }

    func contains(_ entry: JournalEntry) -> Bool {
        let fields = entry.fields
        func has(_ name: String, _ value: [UInt8]) -> Bool {
            fields.first(name)?.elementsEqual(value) ?? false
        }
        let isOfThisLife = entry.position.bootID == bootID && entry.position.monotonic >= since
        if (isOfThisLife && has("_PID", pid)) || (has("_EXE", executable) && has("_UID", uid)) {
            return true
        }
        guard let cgroup, let other = fields.first("_SYSTEMD_CGROUP"), other.starts(with: cgroup)
        else { return false }
        return other.count == cgroup.count
            || other[other.startIndex + cgroup.count] == UInt8(ascii: "/")
    }

    /// Returns whether journald knows the sender's cgroup; unless `contains` is true, that is not
    /// ours. For processes that our runs start, journald often knows none, which proves nothing.
    func isElsewhere(_ fields: JournalFields) -> Bool {
        cgroup != nil && fields.first("_SYSTEMD_CGROUP") != nil
    }

    /// Returns the time since the entry was sent to journald, by the kernel's timestamp where
    /// journald gives one, or else since journald received it; nil for an entry of another boot.
    func age(of position: JournalPosition, _ fields: JournalFields) -> Duration? {
        guard position.bootID == bootID else { return nil }
        let received = Clock.monotonicMicroseconds - position.monotonic
        let sent = fields.first("_SOURCE_REALTIME_TIMESTAMP")
            .flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
        // If the clock was set in between, the difference is meaningless.
        let way = sent.map { position.time - $0 }.flatMap {
            (0...60_000_000).contains($0) ? $0 : nil
        }
        return .microseconds(max(0, received + (way ?? 0)))
    }

    /// Returns the cgroup that journald reports: that of the unified hierarchy if systemd uses it,
    /// else that of systemd's own (cgroups(7)).
    private static func ownCgroup() -> String? {
        let lines = (KernelFile.read("/proc/self/cgroup") ?? "").split(separator: "\n")
        let paths = lines.compactMap { line -> Substring? in
            // HIERARCHY:CONTROLLERS:PATH
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, ["", "name=systemd"].contains(parts[1]) else { return nil }
            return parts[2]
        }
        return (paths.first { $0 != "/" } ?? paths.first).map(String.init)
    }
}
