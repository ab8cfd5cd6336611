// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// Reads variables from the environments that processes were started with (`/proc/PID/environ`).
///
/// During execve(2) a process has no environment for a moment. The reader waits for that, for all
/// processes together, so that their number does not matter. A process that never shows an
/// environment costs that wait once.
///
/// Other users' processes are not read: they could make us wait for ever (`ProcessTable`).
struct EnvironmentReader {
    private let names: [String]
    /// Processes that had neither environment nor arguments throughout a full wait.
    private var silent = Set<ProcessTable.Entry>()
    /// How often this reader has waited.
    private(set) var pauses = 0

    init(_ names: [String]) {
        self.names = names
    }

    /// The first pause before a process during execve is read again; each pause is twice the last.
    private static let firstPauseMicroseconds: UInt32 = 200
    /// 50 ms in total.
    private static let pausesMax = 8

    /// Returns the variables of each process; no value if they may not be read, it is another
    /// user's, or it is gone.
    mutating func read(_ pids: [PID]) -> [PID: [String: String]] {
        var found: [PID: [String: String]] = [:]
        var rest = pids
        var executing: [ProcessTable.Entry] = []
        for round in 0...Self.pausesMax {
            executing = []
            for pid in rest where ProcessTable.belongs(pid, to: geteuid()) {
                guard let bytes = ProcessTable.contents(of: "/proc/\(pid)/environ") else {
                    found[pid] = nil
                    continue
                }
                found[pid] = variables(in: bytes)
                if bytes.isEmpty, let entry = Self.executing(pid), !silent.contains(entry) {
                    executing.append(entry)
                }
            }
            if executing.isEmpty || round == Self.pausesMax { break }
            rest = executing.map(\.pid)
            pauses += 1
            usleep(Self.firstPauseMicroseconds << UInt32(round))
        }
        silent.formUnion(executing)
        return found
    }

    /// Returns the process if it lives, is not a kernel thread and has no arguments; else nil.
    private static func executing(_ pid: PID) -> ProcessTable.Entry? {
        // Before Linux 6.13 the environment of a kernel thread could be opened, and was empty.
        guard let entry = ProcessTable.entry(pid), !entry.isZombie, !entry.isKernelThread,
            ProcessTable.contents(of: "/proc/\(pid)/cmdline")?.isEmpty == true
        else { return nil }
        return entry
    }

    private func variables(in bytes: [UInt8]) -> [String: String] {
        var values: [String: String] = [:]
        for variable in bytes.split(separator: 0) {
            guard let equals = variable.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = String(decoding: variable[..<equals], as: UTF8.self)
            guard names.contains(name) else { continue }
            values[name] = String(decoding: variable[(equals + 1)...], as: UTF8.self)
        }
        return values
    }
}
