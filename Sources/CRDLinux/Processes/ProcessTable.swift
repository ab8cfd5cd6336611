// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc
import SystemPackage

/// A snapshot of this machine's processes, from /proc (proc(5)).
public struct ProcessTable {
    /// A process; its start time distinguishes it from a later one with the same number.
    public struct Entry: Hashable, Sendable {
        public let pid: PID
        public let parent: PID
        /// Clock ticks after boot.
        public let startTime: UInt64
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

    /// The current time in the unit of start times.
    public static var clockTicks: UInt64 {
        UInt64(Clock.now.nanoseconds) / (1_000_000_000 / ticksPerSecond)
    }

    private static let ticksPerSecond = UInt64(sysconf(CInt(_SC_CLK_TCK)))

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
        send([signal], to: seen.pid) { $0.startTime == seen.startTime }
    }

    /// Sends SIGTERM, then SIGCONT, without which a stopped process would not receive it.
    public static func terminate(_ seen: Entry) {
        send([SIGTERM, SIGCONT], to: seen.pid) { $0.startTime == seen.startTime }
    }

    /// Does the same to the process that had the number at that time, in clock ticks.
    static func terminate(_ pid: PID, seenAt: UInt64) {
        send([SIGTERM, SIGCONT], to: pid) { $0.startTime <= seenAt }
    }

    @discardableResult
    private static func send(
        _ signals: [CInt], to pid: PID, if isMeant: (Entry) -> Bool
    ) -> Bool {
        let pidfd = crd_pidfd_open(pid)
        guard pidfd >= 0 else { return true }
        defer { close(pidfd) }
        guard let entry = entry(pid), isMeant(entry) else { return true }
        // Not `allSatisfy`: each signal is sent, whatever became of the one before.
        return signals.map { crd_pidfd_send_signal(pidfd, $0) == 0 || errno != EPERM }
            .allSatisfy(\.self)
    }

    /// Returns the processes with their working directory there or below (`/proc/PID/cwd`).
    public static func working(in directory: FilePath) -> [PID] {
        // The kernel's answer contains no symbolic links.
        let path = SymbolicLink.resolved(directory) ?? directory
        return processIDs().filter {
            SymbolicLink.target(of: FilePath("/proc/\($0)/cwd"))?.starts(with: path) == true
        }
    }

    /// How long to wait for SIGKILL to take effect, in steps of 10 ms.
    private static let killStepsMax = 200

    /// Kills the selected processes and their descendants until none is left, but never this
    /// process.
    ///
    /// - Parameters:
    ///   - names: the variables that `isMeant` needs, from the environment that the process was
    ///     started with.
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

    /// Returns the real, effective, saved and file system user (`/proc/PID/status`); none if the
    /// process is gone.
    public static func userIDs(of pid: PID) -> [UID] {
        let lines = String(decoding: contents(of: "/proc/\(pid)/status") ?? [], as: UTF8.self)
            .split(separator: "\n")
        let line = lines.first { $0.hasPrefix("Uid:") }
        return (line?.dropFirst(4).split(separator: "\t") ?? []).compactMap { UID($0) }
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
        contents(of: "/proc/\(pid)/stat").flatMap { entry(pid, stat: $0) }
    }

    /// - Parameter stat: the content of `/proc/PID/stat`.
    static func entry(_ pid: PID, stat bytes: [UInt8]) -> Entry? {
        // The name, in parentheses, may contain anything; the fields begin after the last one.
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19,
            let threads = Int(String(decoding: fields[17], as: UTF8.self)),
            let parent = PID(String(decoding: fields[1], as: UTF8.self)),
            let flags = UInt32(String(decoding: fields[6], as: UTF8.self)),
            let startTime = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        let state = fields[0].first
        // When a process's first thread has ended, the others live on.
        let isDead = (state == UInt8(ascii: "Z") || state == UInt8(ascii: "X")) && threads < 2
        return Entry(
            pid: pid, parent: parent, startTime: startTime, isZombie: isDead,
            isKernelThread: flags & kernelThreadFlag != 0)
    }

    /// `PF_KTHREAD` of the kernel's sched.h, unchanged since Linux 2.6.27.
    private static let kernelThreadFlag: UInt32 = 0x0020_0000

    static func contents(of path: String) -> [UInt8]? {
        guard let file = try? Descriptor.open(FilePath(path), O_RDONLY) else { return nil }
        return try? file.readAll(limit: 1 << 20)
    }
}
