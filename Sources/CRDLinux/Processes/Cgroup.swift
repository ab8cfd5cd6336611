// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
public import CRDCore
import Glibc
public import SystemPackage

/// A directory of the cgroup2 hierarchy (cgroups(7)), which holds the processes of one run.
///
/// As a source it reports the end of its last process. It is registered only while that is awaited.
public final class Cgroup: EventSource {
    public let path: FilePath
    private let directory: Descriptor
    private let populationFile: Descriptor
    private let killFile: Descriptor
    private let emptied: (inout [Event]) -> Void
    /// No process may be started here any more. Since Linux 6.14, `cgroup.kill` also catches forks
    /// in progress. But once used, it kills for ever what is cloned in from another cgroup.
    public private(set) var isSpent = false

    /// Makes the directory.
    ///
    /// - Parameter emptied: called from `drain` when no process is left.
    /// - Throws: `SystemCallError`, also if the directory exists, and if the kernel has no
    ///   `cgroup.kill` (before 5.14).
    public init(
        _ path: FilePath, emptied: @escaping (inout [Event]) -> Void
    ) throws(SystemCallError) {
        self.path = path
        self.emptied = emptied
        try Directory.makeNew(path, mode: 0o755)
        directory = try .open(path, O_RDONLY | O_DIRECTORY)
        populationFile = try .open(path.appending("cgroup.events"), O_RDONLY)
        killFile = try .open(path.appending(Self.killName), O_WRONLY)
    }

    private static let killName: FilePath.Component = "cgroup.kill"

    public var descriptor: CInt { populationFile.rawValue }
    public var interest: Interest { .changed }

    /// The descriptor for `CLONE_INTO_CGROUP`.
    public var directoryDescriptor: CInt { directory.rawValue }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        if try !isPopulated() { emptied(&events) }
    }

    /// Returns whether a process lives in it or below it (`populated` in cgroup.events).
    public func isPopulated() throws(SystemCallError) -> Bool {
        try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) {
            buffer throws(SystemCallError) in
            let count = try systemCall("pread", on: path.string) {
                pread(populationFile.rawValue, buffer.baseAddress!, buffer.count, 0)
            }
            return String(decoding: buffer[..<count], as: UTF8.self).contains("populated 1")
        }
    }

    /// Sends SIGKILL to all its processes at once, even to those just being forked (`cgroup.kill`).
    public func kill() throws(SystemCallError) {
        isSpent = true
        try systemCall("write", on: path.appending(Self.killName).string) {
            pwrite(killFile.rawValue, "1", 1, 0)
        }
    }

    /// Removes the directory, which fails while a process lives in it.
    public func remove() {
        _ = path.withPlatformString { rmdir($0) }
    }

    private static func members(below path: FilePath, depth: Int = 0) -> Set<PID> {
        guard depth < 16 else { return [] }
        var members = Set<PID>()
        if let list = try? MemberList(of: path) {
            while let pids = list.next() { members.formUnion(pids) }
        }
        for child in Directory.entries(of: path) {
            let below = path.appending(child)
            if FileStatus(of: below, followingLinks: false)?.kind == .directory {
                members.formUnion(Self.members(below: below, depth: depth + 1))
            }
        }
        return members
    }
}

extension Cgroup {
    /// Returns this process's cgroup, if it may make others below it: the service manager says so
    /// by an extended attribute (systemd's `Delegate=`).
    public static func delegated() -> FilePath? {
        guard let own = ownPath(), let mount = mountPoint() else { return nil }
        let path = FilePath(mount + own)
        for attribute in ["trusted.delegate", "user.delegate"]
        where crd_has_true_xattr(path.string, attribute) { return path }
        return nil
    }

    /// Moves this process, once, into a leaf below `path`, since a cgroup that enables controllers
    /// for its children must not hold processes itself. Also removes what a former daemon left
    /// there.
    public static func moveIntoLeaf(of path: FilePath) throws(SystemCallError) {
        killRuns(below: path)
        // A new one, since a cgroup must not be reused after a kill.
        let leaf = path.appending("daemon")
        _ = leaf.withPlatformString { rmdir($0) }
        try Directory.make(leaf, mode: 0o755)
        let members = try Descriptor.open(leaf.appending("cgroup.procs"), O_WRONLY)
        try members.writeAll(Array("\(getpid())\n".utf8), subject: leaf.string)
    }

    /// Kills the processes that a former daemon's runs left in their cgroups below `path`, and
    /// waits until they have ended: two seconds at most, since a process can survive SIGKILL.
    ///
    /// - Returns: how many processes there were.
    @discardableResult
    public static func killRuns(below path: FilePath) -> Int {
        var killed = Set<PID>()
        for _ in 0..<killStepsMax {
            let stale = Directory.entries(of: path).filter { $0.string.hasPrefix(slotPrefix) }
                .map { path.appending($0) }
            let left = stale.flatMap { members(below: $0) }
            killed.formUnion(left)
            for directory in stale {
                if let killFile = try? Descriptor.open(directory.appending(killName), O_WRONLY) {
                    try? killFile.writeAll([UInt8(ascii: "1")], subject: directory.string)
                }
                // Fails while its processes are dying.
                _ = directory.withPlatformString { rmdir($0) }
            }
            if left.isEmpty { break }
            usleep(10_000)
        }
        return killed.count
    }

    /// In steps of 10 ms.
    private static let killStepsMax = 200

    /// The prefix of the directories of runs.
    public static let slotPrefix = "slot-"

    /// Returns PATH of the line `0::PATH` in /proc/self/cgroup; nil for the root, which cannot be
    /// delegated.
    private static func ownPath() -> String? {
        guard let text = KernelFile.read("/proc/self/cgroup") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("0::") {
            let path = String(line.dropFirst(3))
            return path == "/" ? nil : path
        }
        return nil
    }

    /// Returns where the whole cgroup2 hierarchy is mounted (proc(5), mountinfo).
    private static func mountPoint() -> String? {
        guard let text = KernelFile.read("/proc/self/mountinfo") else { return nil }
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count,
                fields[dash + 1] == "cgroup2", fields[3] == "/"
            else { continue }
            return String(fields[4])
        }
        return nil
    }
}
