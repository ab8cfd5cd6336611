// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// What /proc shows of processes (proc(5)), read without any help of the code under test.
enum Processes {
    static func all() -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }
    }

    /// Those with the text in their command line or in the environment they were started with.
    static func mentioning(_ text: String) -> [pid_t] {
        let wanted = Data(text.utf8)
        return all().filter { pid in
            // A process without arguments may be in the middle of execve, where a test can hold it,
            // and with it whoever reads its environment.
            guard pid != getpid(), let arguments = file(pid, "cmdline"), !arguments.isEmpty else {
                return false
            }
            return [arguments, file(pid, "environ")].contains { $0?.range(of: wanted) != nil }
        }
    }

    /// Those with the text among their arguments; the dead have none.
    static func executing(_ text: String) -> [pid_t] {
        let wanted = Data(text.utf8)
        return all().filter { $0 != getpid() && file($0, "cmdline")?.range(of: wanted) != nil }
    }

    static func children(of pid: pid_t) -> [pid_t] {
        text(pid, "task/\(pid)/children").split(separator: " ").compactMap { pid_t($0) }
    }

    static func arguments(of pid: pid_t) -> [String] {
        text(pid, "cmdline").split(separator: "\0").map(String.init)
    }

    static func isZombie(_ pid: pid_t) -> Bool {
        status(pid, "State")?.first == "Z"
    }

    static func exists(_ pid: pid_t) -> Bool {
        file(pid, "status") != nil && !isZombie(pid)
    }

    /// Where each open descriptor leads.
    static func descriptors(of pid: pid_t) -> [Int: String] {
        let directory = "/proc/\(pid)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.reduce(into: [:]) { found, name in
            guard let number = Int(name),
                let target = try? FileManager.default.destinationOfSymbolicLink(
                    atPath: "\(directory)/\(name)")
            else { return }
            found[number] = target
        }
    }

    /// The last name of what it executes, up to 15 bytes.
    static func name(_ pid: pid_t) -> String {
        text(pid, "comm").trimmingCharacters(in: .newlines)
    }

    /// The fields of /proc/PID/stat after the name: the state comes first.
    static func stat(_ pid: pid_t) -> [String] {
        guard let rest = text(pid, "stat").split(separator: ")").last else { return [] }
        return rest.split(separator: " ").map(String.init)
    }

    /// A line of /proc/PID/status without its title.
    static func status(_ pid: pid_t, _ title: String) -> String? {
        text(pid, "status").split(separator: "\n").first { $0.hasPrefix("\(title):") }
            .map { $0.dropFirst(title.count + 1).trimmingCharacters(in: .whitespaces) }
    }

    /// Resident memory in KiB.
    static func residentKiB(_ pid: pid_t) -> Int {
        status(pid, "VmRSS").flatMap { Int($0.split(separator: " ")[0]) } ?? 0
    }

    /// Processor time used, in seconds.
    static func processorSeconds(_ pid: pid_t) -> Double {
        let ticks = stat(pid).dropFirst(11).prefix(2).compactMap { Double($0) }.reduce(0, +)
        return ticks / Double(sysconf(CInt(_SC_CLK_TCK)))
    }

    private static func text(_ pid: pid_t, _ name: String) -> String {
        file(pid, name).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func file(_ pid: pid_t, _ name: String) -> Data? {
        FileManager.default.contents(atPath: "/proc/\(pid)/\(name)")
    }
}
