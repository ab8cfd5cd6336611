// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: a process in the middle of execve(2) does not hold the daemon.
/// Method: execve closes a file whose server does not answer. Meanwhile the kernel makes everybody
/// wait who reads certain files about that process.
@Suite(
    "G15: A process that hangs in execve", .takesTurns,
    .enabled(
        if: UserSpaceMount.isPossible && Attacker.isPossible,
        "\(UserSpaceMount.needs); \(Attacker.needs)"))
struct HungExecveTests {
    private let mount: UserSpaceMount
    private let world: World
    private let bystander: Bystander
    private let hang: String

    init() async throws {
        mount = try await UserSpaceMount()
        world = try World(grace: "100ms")
        // Not by way of the mount: at the first close the server says that it needs not be told of any.
        try await mount.namespace.run("echo text >\"$DIRECTORY/disk/file\"")
        bystander = try Bystander(in: world)
        // It opens a file of the mount, waits until the server is stopped, and executes another
        // program.
        hang = try world.write(
            """
            #!/usr/bin/env python3
            import os, time
            file = open("\(mount.path)/file")
            with open("\(world.notes)/new", "w") as note: note.write(str(os.getpid()))
            os.rename("\(world.notes)/new", "\(world.notes)/opened")
            while not os.path.exists("\(world.notes)/stopped"): time.sleep(0.01)
            os.execv("/bin/sleep", "\(world.forever)".split())

            """, to: "hang", mode: 0o755)
    }

    /// Stops the server, and waits for the process to hang. Only one can: the first close that the
    /// server answers is the last of which the kernel tells it.
    private func letItHang() async throws -> pid_t {
        try await eventually("it has opened the file") { world.note("opened") != nil }
        let pid = try #require(world.note("opened").flatMap { pid_t($0) })
        mount.server.send(SIGSTOP)
        try world.write("", to: "notes/stopped")
        try await eventually("it hangs") { hangs(pid) }
        return pid
    }

    private func hangs(_ pid: pid_t) -> Bool {
        Processes.exists(pid) && Processes.arguments(of: pid).isEmpty
    }

    /// Nothing else of the test run may wait for the process for long.
    private func whileItHangs(_ body: () async throws -> Void) async throws {
        defer { mount.server.send(SIGCONT) }
        try await body()
    }

    @Test("and that nobody but the daemon is the parent of")
    func orphan() async throws {
        try world.module(
            "Mine",
            check: """
                (setsid '\(hang)' &)
                until [ -e '\(world.notes)/end' ]; do sleep 0.01; done
                exit 1
                """, manifest: "user = 'nobody'")
        try await world.start(mount.namespace.prefix)
        try await whileItHangs {
            let pid = try await letItHang()
            // Then it is to be killed.
            try world.write("", to: "notes/end")
            try await bystander.isServed()
            try await eventually("it was killed, and cannot end") {
                Processes.status(pid, "SigPnd") != "0000000000000000"
                    || Processes.status(pid, "ShdPnd") != "0000000000000000"
            }
            try await bystander.isServed()
            #expect(hangs(pid))
            try await world.stop(SIGKILL)
            // A daemon that starts looks for what the former one has left.
            try await world.start(mount.namespace.prefix)
            try await bystander.isServed()
            #expect(hangs(pid))
            #expect(try await world.stop() == 0)
        }
        try await eventually("it has ended") { world.sleepers().isEmpty }
    }

    @Test(
        "and that is a role's executable whose time is up, in a cgroup",
        .enabled(if: DelegatedCgroup.isPossible))
    func run() async throws {
        let cgroup = try DelegatedCgroup()
        try world.module(
            "Mine", check: "exec '\(hang)'",
            // Until it hangs, the time must not be over, however busy the machine is.
            manifest: "user = 'nobody'\ntimeout = '20s'\ninterval = '100ms'")
        try await world.start(cgroup.prefix + mount.namespace.prefix)
        try await whileItHangs {
            let pid = try await letItHang()
            try await eventually("it was killed, and cannot end") {
                try world.listed("Mine").state == "stuck"
            }
            try await bystander.isServed()
            #expect(hangs(pid))
        }
        try await eventually("it has ended") { try world.listed("Mine").state == "idle" }
        #expect(try await world.stop() == 0)
    }
}
