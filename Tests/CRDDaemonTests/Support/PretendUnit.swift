// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// What journald takes for a systemd unit, since it goes by the sender's cgroup: a cgroup with a
/// unit's name, and in it an idle process in whose name entries can be sent.
final class PretendUnit {
    /// Unique on the whole machine: `cron-123-456.service`.
    let name: String
    private let cgroup: ScratchCgroup
    private let resident: Program

    static let isPossible: Bool = Surroundings.isRoot && (try? PretendUnit("probe")) != nil
    static let needs = "needs root, and a cgroup2 in which cgroups can be made"

    /// - Parameter stem: what its name begins with.
    init(_ stem: String) throws {
        name = "\(stem)-\(ScratchCgroup.newName()).service"
        let cgroup = try ScratchCgroup(name)
        self.cgroup = cgroup
        let resident = try Program(
            cgroup.prefix + ["/bin/sleep", "1000000"], environment: World.environment,
            output: "/dev/null", errors: "/dev/null")
        self.resident = resident
        let end = ContinuousClock.now + patience
        while Processes.name(resident.pid) != "sleep" {
            guard !resident.hasEnded, ContinuousClock.now < end else {
                throw Trouble("nothing can be started in \(cgroup.path)")
            }
            usleep(500)
        }
    }

    /// The process that does nothing.
    var pid: pid_t { resident.pid }

    /// A prefix that runs a command as one of the unit's.
    var prefix: [String] { cgroup.prefix }
}
