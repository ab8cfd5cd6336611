// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// Tells the entries of the daemon and of what its runs print, which must not trigger runs again.
///
/// By trusted fields alone, which journald finds out itself (systemd.journal-fields(7)): nobody can
/// hide entries from us by what they write into them.
public struct OwnEntries: Sendable {
    private let pid: [UInt8]
    /// Before this process began, its number was another's.
    private let bootID: String
    private let since: Int64
    private let uid: [UInt8]
    private let executable: [UInt8]
    /// Nil where it is the root, in which everything may be.
    private let cgroup: [UInt8]?

    /// Of this process, before it moves to another cgroup.
    public init() {
        self.init(
            pid: getpid(), bootID: JournalReader.currentBootID(),
            since: Clock.monotonicMicroseconds, uid: geteuid(),
            executable: SymbolicLink.target(of: "/proc/self/exe")?.string ?? "",
            cgroup: Self.ownCgroup())
    }

    /// - Parameter since: when this process had begun, in microseconds since the boot.
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

    /// Whether journald has found out that whoever logged the entry is in another cgroup than we: of
    /// what our runs start, it often cannot tell any, which says nothing.
    func isElsewhere(_ fields: JournalFields) -> Bool {
        cgroup != nil && fields.first("_SYSTEMD_CGROUP") != nil
    }

    /// How long ago the entry was sent to journald, as the kernel saw it where journald says so, or
    /// else how long ago journald got it; nil for one of another boot.
    func age(of position: JournalPosition, _ fields: JournalFields) -> Duration? {
        guard position.bootID == bootID else { return nil }
        let received = Clock.monotonicMicroseconds - position.monotonic
        let sent = fields.first("_SOURCE_REALTIME_TIMESTAMP")
            .flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
        // Where the clock was set between the two, the difference says nothing.
        let way = sent.map { position.time - $0 }.flatMap {
            (0...60_000_000).contains($0) ? $0 : nil
        }
        return .microseconds(max(0, received + (way ?? 0)))
    }

    /// Where journald looks: in the unified hierarchy where systemd uses that, else in systemd's own
    /// (cgroups(7)).
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
