// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// SIGTERM on its way to each process in a cgroup and below it, once. There may be thousands, so
/// that a turn of the daemon's loop signals only some of them.
public final class CgroupSweep {
    private let root: FilePath
    private var round = 0
    private var hasMetAnybody = true
    /// The directories that this round has not opened yet.
    private var directories: [(path: FilePath, depth: Int)] = []
    private var list: MemberList?
    private var waiting: [(pid: PID, identity: UInt64)] = []
    /// A process that reuses one of these PIDs later misses the signal; SIGKILL reaches it.
    private var known: Set<PID> = []

    public init(of cgroup: Cgroup) {
        root = cgroup.path
    }

    /// Continues until a round finds no new process, since processes fork meanwhile.
    ///
    /// - Parameter share: how many steps it may take, such as a signal; the unused rest is left.
    /// - Returns: whether it has finished.
    public func advance(_ share: inout Int) -> Bool {
        while share > 0 {
            if let process = waiting.popLast() {
                ProcessTable.terminate(process.pid, process.identity)
            } else if let list {
                add(list)
            } else if let (path, depth) = directories.popLast() {
                open(path, depth: depth)
            } else if hasMetAnybody && round < Self.roundsMax {
                round += 1
                hasMetAnybody = false
                directories = [(root, 0)]
            } else {
                return true
            }
            share -= 1
        }
        return false
    }

    private func add(_ list: MemberList) {
        guard let pids = list.next() else {
            self.list = nil
            return
        }
        // The oldest is signalled first, as the kernel lists them: a shell whose child has died of
        // SIGTERM would continue, or end with another code, before it gets the signal itself.
        for pid in pids.reversed() where known.insert(pid).inserted {
            hasMetAnybody = true
            guard let identity = ProcessTable.identity(of: pid) else { continue }
            waiting.append((pid, identity))
        }
    }

    private func open(_ path: FilePath, depth: Int) {
        list = try? MemberList(of: path)
        guard depth < Self.depthMax else { return }
        try? Directory.visit(Array(path.string.utf8)) { name, kind in
            guard kind == .directory, let name = FilePath.Component(platformString: name) else {
                return
            }
            directories.append((path.appending(name), depth + 1))
        }
    }

    /// A cgroup that forks faster than it is signalled has SIGKILL to come.
    private static let roundsMax = 16
    private static let depthMax = 16
}

/// The processes of one cgroup (`cgroup.procs`), a page at a time; the kernel continues where it
/// was.
final class MemberList {
    private let file: Descriptor
    /// The beginning of a number whose end was not read yet.
    private var begun: [UInt8] = []

    init(of path: FilePath) throws(SystemCallError) {
        file = try .open(path.appending("cgroup.procs"), O_RDONLY)
    }

    /// Returns nil at the end.
    func next() -> [PID]? {
        let bytes = try? file.readAll(limit: Self.pageSize)
        guard let bytes, !bytes.isEmpty else { return nil }
        let all = begun + bytes
        let end = all.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        begun = Array(all[end...])
        return Array(all[..<end]).processIDs
    }

    private static let pageSize = 4_096
}
