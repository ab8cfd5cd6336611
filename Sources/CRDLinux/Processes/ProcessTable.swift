// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc
import SystemPackage

/// A snapshot of this machine's processes, from /proc (proc(5)).
///
/// Of other users' processes, it reads only files that cannot make it wait. `stat`, `environ`, `exe`
/// and `cwd` can: while a process is in execve(2), the kernel holds a lock for them, and closes its
/// files meanwhile. So a FUSE server that answers no FLUSH would hold us, beyond all signals but
/// SIGKILL (G15).
public struct ProcessTable {
    /// A process; its identity distinguishes it from a later one with the same number.
    public struct Entry: Hashable, Sendable {
        public let pid: PID
        public let parent: PID
        /// See `identity(of:)`.
        public let identity: UInt64
        public let isZombie: Bool
        /// A kernel thread: it has no memory, so no environment either.
        public let isKernelThread: Bool
    }

    public let entries: [Entry]

    /// Reads all of /proc; a process that ends meanwhile may be missing.
    public init() {
        self.init(Self.processIDs().compactMap(Self.entry))
    }

    init(_ entries: [Entry]) { self.entries = entries }

    /// Returns the living processes among `roots`, and those below one of them that are of the same
    /// owner, or below one of root's: without owners, all.
    ///
    /// Each process is visited once, and once more for each further owner above it: roots may lie
    /// below one another, and there may be thousands.
    public func tree(below roots: [PID], ownedBy owner: (PID) -> UID? = { _ in 0 }) -> [Entry] {
        let byParent = Dictionary(grouping: entries, by: \.parent)
        let roots = Set(roots)
        var owners: [PID: UID?] = [:]
        func known(_ pid: PID) -> UID? {
            if let owner = owners[pid] { return owner }
            let found = owner(pid)
            owners[pid] = found
            return found
        }
        // The owners of the roots at and above a process. As /proc was not read at one instant, a
        // reused number may close a cycle; then the sets stop growing.
        var above: [PID: Set<UID>] = [:]
        var waiting = Array(roots)
        for root in roots { above[root] = Set([known(root)].compactMap(\.self)) }
        while let pid = waiting.popLast() {
            guard let inherited = above[pid] else { continue }
            for child in byParent[pid] ?? [] {
                let old = above[child.pid]
                let new = old?.union(inherited) ?? inherited
                if new == old { continue }
                above[child.pid] = new
                waiting.append(child.pid)
            }
        }
        return entries.filter { process in
            guard !process.isZombie, let owners = above[process.pid] else { return false }
            if roots.contains(process.pid) || owners.contains(0) { return true }
            return known(process.pid).map(owners.contains) ?? false
        }
    }

    /// Returns the living processes at and below `roots` now, without reading all of /proc. To
    /// catch processes that fork endlessly, a search must be faster than they are.
    public static func currentTree(below roots: [PID]) -> [Entry] {
        guard hasChildLists else { return ProcessTable().tree(below: roots) }
        var found = roots
        var known = Set(roots)
        var next = 0
        while next < found.count {
            found.append(contentsOf: children(of: found[next]).filter { known.insert($0).inserted })
            next += 1
        }
        return found.compactMap(entry).filter { !$0.isZombie }
    }

    /// Whether the kernel was built with CONFIG_PROC_CHILDREN; otherwise all of /proc must be read.
    public static let hasChildLists = access("/proc/thread-self/children", F_OK) == 0

    /// Returns the process's parent, its parent's parent and so on, without init.
    public static func ancestors(of pid: PID) -> [PID] {
        var found: [PID] = []
        var current = entry(pid)?.parent ?? 0
        while current > 1, !found.contains(current) {
            found.append(current)
            current = entry(current)?.parent ?? 0
        }
        return found
    }

    /// Returns the children of all threads of a process; none if it is gone.
    public static func children(of pid: PID) -> [PID] {
        let tasks = FilePath("/proc/\(pid)/task")
        return Directory.entries(of: tasks).flatMap { thread in
            let bytes = contents(of: "\(tasks)/\(thread)/children") ?? []
            return bytes.split(separator: UInt8(ascii: " ")).compactMap {
                PID(String(decoding: $0, as: UTF8.self))
            }
        }
    }

    /// Returns some variables of the environment that a process was started with
    /// (`/proc/PID/environ`); nil if it may not be read or the process is gone.
    public static func environment(of pid: PID, _ names: [String]) -> [String: String]? {
        var reader = EnvironmentReader(names)
        return reader.read([pid])[pid]
    }

    /// Sends a signal to the process that was seen, never to a later one with the same number.
    ///
    /// - Returns: false if the kernel refused it, since the process has other rights than we
    ///   (EPERM).
    @discardableResult
    public static func send(_ signal: CInt, to seen: Entry) -> Bool {
        send([signal], to: seen.pid, seen.identity)
    }

    /// Sends SIGTERM, then SIGCONT, without which a stopped process would not receive it.
    public static func terminate(_ seen: Entry) {
        terminate(seen.pid, seen.identity)
    }

    static func terminate(_ pid: PID, _ identity: UInt64) {
        send([SIGTERM, SIGCONT], to: pid, identity)
    }

    @discardableResult
    private static func send(_ signals: [CInt], to pid: PID, _ identity: UInt64) -> Bool {
        let pidfd = crd_pidfd_open(pid)
        guard pidfd >= 0 else { return true }
        defer { close(pidfd) }
        guard self.identity(of: pid) == identity else { return true }
        // Not `allSatisfy`: each signal is sent, whatever became of the one before.
        return signals.map { crd_pidfd_send_signal(pidfd, $0) == 0 || errno != EPERM }
            .allSatisfy(\.self)
    }

    /// How long to wait for SIGKILL to take effect, in steps of 10 ms.
    private static let killStepsMax = 200

    /// Kills the selected processes and their descendants until none is left, but never this
    /// process.
    ///
    /// - Parameters:
    ///   - names: the variables that `isMeant` needs, from the environment that the process was
    ///     started with; other users' processes have none (`EnvironmentReader`).
    ///   - owner: whose a process is. A descendant is selected as well if a selected process above
    ///     it is of the same owner or root's; nil has no descendants and is nobody's.
    /// - Returns: how many were killed, and those that the kernel refused to kill.
    @discardableResult
    public static func killAll(
        knowing names: [String], where isMeant: (PID, [String: String]) -> Bool,
        ownedBy owner: (PID) -> UID? = { _ in 0 }
    ) -> (killed: Int, refused: [Entry]) {
        var killed = Set<Entry>()
        var refused = Set<Entry>()
        var reader = EnvironmentReader(names)
        for _ in 0..<killStepsMax {
            let table = ProcessTable()
            let living = table.entries.filter {
                !$0.isZombie && !$0.isKernelThread && $0.pid != getpid()
            }
            let pids = living.map(\.pid)
            let environments = reader.read(pids)
            let meant = living.filter { isMeant($0.pid, environments[$0.pid] ?? [:]) }
            let roots = meant.filter { !refused.contains($0) }.map(\.pid)
            if roots.isEmpty { break }
            for process in table.tree(below: roots, ownedBy: owner) where process.pid != getpid() {
                if send(SIGKILL, to: process) {
                    killed.insert(process)
                } else {
                    refused.insert(process)
                }
            }
            usleep(10_000)
        }
        return (killed.count, refused.sorted { $0.pid < $1.pid })
    }

    /// Returns the real, effective, saved and file system user; none if the process is gone.
    public static func userIDs(of pid: PID) -> [UID] {
        status(of: pid)?.userIDs ?? []
    }

    /// Whether the process has the rights of that user alone.
    static func belongs(_ pid: PID, to user: UID) -> Bool {
        Set(userIDs(of: pid)) == [user]
    }

    /// Collects a child that has ended; returns whether it had.
    public static func reap(_ pid: PID) -> Bool {
        crd_reap(pid) == 1
    }

    static func processIDs() -> [PID] {
        var ids: [PID] = []
        try? Directory.visit(Array("/proc".utf8)) { name, _ in
            if let pid = PID(String(cString: name)) { ids.append(pid) }
        }
        return ids
    }

    /// Reads one process; nil if there is no such process.
    public static func entry(_ pid: PID) -> Entry? {
        guard let identity = identity(of: pid), let status = status(of: pid) else { return nil }
        return Entry(
            pid: pid, parent: status.parent, identity: identity, isZombie: status.isZombie,
            isKernelThread: status.isKernelThread)
    }

    /// Returns the inode of `/proc/PID`, which no later process with the same number has; nil if
    /// there is no such process.
    ///
    /// When memory is short the kernel may give a process another one, which is then taken for
    /// another process: it misses a signal, but nobody else gets it.
    public static func identity(of pid: PID) -> UInt64? {
        FileStatus(of: FilePath("/proc/\(pid)"))?.inode
    }

    private static func status(of pid: PID) -> ProcessStatus? {
        contents(of: "/proc/\(pid)/status").flatMap(ProcessStatus.init)
    }

    static func contents(of path: String) -> [UInt8]? {
        guard let file = try? Descriptor.open(FilePath(path), O_RDONLY) else { return nil }
        return try? file.readAll(limit: 1 << 20)
    }
}
