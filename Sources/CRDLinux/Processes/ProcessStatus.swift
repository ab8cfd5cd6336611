// SPDX-License-Identifier: GPL-3.0-or-later

/// What `/proc/PID/status` tells of a process (proc_pid_status(5)).
struct ProcessStatus {
    let parent: PID
    let isZombie: Bool
    let isKernelThread: Bool
    /// The real, effective, saved and file system user.
    let userIDs: [UID]

    /// Reads the file's content; nil if it is not complete.
    init?(_ content: [UInt8]) {
        // The kernel escapes line feeds in the process's name, so that it cannot forge a line.
        var values: [String: Substring] = [:]
        for line in String(decoding: content, as: UTF8.self).split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            values[String(line[..<colon])] = line[line.index(after: colon)...].drop { $0 == "\t" }
        }
        guard let state = values["State"]?.first, let parent = values["PPid"].flatMap({ PID($0) }),
            let users = values["Uid"]?.split(separator: "\t").compactMap({ UID($0) }),
            users.count == 4
        else { return nil }
        self.parent = parent
        userIDs = users
        // When a process's first thread has ended, the others live on.
        let threads = values["Threads"].flatMap { Int($0) } ?? 0
        isZombie = (state == "Z" || state == "X") && threads < 2
        // Before Linux 6.11 there is no line for it. A kernel thread has no memory, and its parent is
        // kthreadd, process 2, or the kernel itself.
        isKernelThread =
            values["Kthread"].map { $0 == "1" }
            ?? (!isZombie && values["VmSize"] == nil && (parent == 0 || parent == 2))
    }
}
