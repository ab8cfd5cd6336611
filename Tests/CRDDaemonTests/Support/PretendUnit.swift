// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// What journald takes for a unit of systemd's, since it goes by the cgroup of the sender: a cgroup
/// with the name of one, and a process in it that does nothing, in whose name entries can be sent.
final class PretendUnit {
    /// Its own on the whole machine: `cron-123-456.service`.
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

    /// A command that executes the one after it as one of the unit's.
    var prefix: [String] { cgroup.prefix }
}
