// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import CRDCore
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("No further process")
struct ProcessLimitTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    /// The files of a machine that is far from each of its limits.
    private func machine(
        cgroup: String = "0::/", tasks: Int = 100, userMax: UInt64? = nil
    ) throws -> ProcessLimit {
        try Directory.make(directory["proc/self"], mode: 0o755)
        try Directory.make(directory["proc/sys/kernel"], mode: 0o755)
        try directory.write("proc/self/cgroup", "\(cgroup)\n")
        try directory.write("proc/loadavg", "0.00 0.01 0.05 1/\(tasks) 4711\n")
        try directory.write("proc/sys/kernel/threads-max", "5000\n")
        try directory.write("proc/sys/kernel/pid_max", "4000\n")
        return ProcessLimit(
            proc: directory["proc"], cgroups: directory["cgroup"], userMax: userMax)
    }

    private func limit(_ cgroup: String, to most: String, having count: Int) throws {
        let place = directory["cgroup/\(cgroup)"]
        try Directory.make(place, mode: 0o755)
        try directory.write("cgroup/\(cgroup)/pids.max", "\(most)\n")
        try directory.write("cgroup/\(cgroup)/pids.current", "\(count)\n")
    }

    @Test("is the unit's limit, or that of any cgroup above")
    func cgroups() throws {
        let own = try machine(cgroup: "0::/system.slice/crd.service/daemon")
        try limit("system.slice/crd.service/daemon", to: "max", having: 3)
        try limit("system.slice/crd.service", to: "64", having: 64)
        #expect(
            own.remedy
                == "the cgroup /system.slice/crd.service may have 64 of them; raise TasksMax= of "
                + "crd.service")
        try limit("system.slice/crd.service", to: "64", having: 63)
        try limit("system.slice", to: "200", having: 201)
        #expect(own.remedy.hasSuffix("raise TasksMax= of system.slice"))
        let old = try machine(cgroup: "9:name=systemd:/x\n8:cpu,pids:/box/inner\n0::/")
        try limit("pids/box", to: "10", having: 10)
        #expect(
            old.remedy == "the cgroup /box may have 10 of them; raise its pids.max")
    }

    @Test("is the machine's") func system() throws {
        #expect(try machine(tasks: 3_990).remedy.contains("raise the sysctl kernel.pid_max"))
        #expect(try machine(tasks: 4_990).remedy.contains("raise the sysctl kernel.threads-max"))
    }

    @Test("is the user's, or any of them where none is reached any more") func others() throws {
        #expect(try machine(userMax: 20).remedy.contains("raise LimitNPROC= in crd.service"))
        let remedy = try machine().remedy
        for text in ["TasksMax=", "kernel.pid_max", "kernel.threads-max"] {
            #expect(remedy.contains(text))
        }
    }

    private static let pids = "/sys/fs/cgroup/pids"

    @Test(
        "of the kernel's is told by its name",
        .enabled(
            if: geteuid() == 0 && access("\(pids)/cgroup.procs", W_OK) == 0,
            "needs root and the pids controller of cgroup v1"))
    func realCgroup() async throws {
        await #expect(processExitsWith: .success) {
            let place = "\(Self.pids)/crd-test-\(getpid()).scope"
            guard mkdir(place, 0o755) == 0 else { return }
            func write(_ text: String, _ file: String) {
                let descriptor = open(file, O_WRONLY)
                _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) }
                close(descriptor)
            }
            write("\(getpid())", "\(place)/cgroup.procs")
            write("1", "\(place)/pids.max")
            var said = ""
            do {
                _ = try ChildProcess.spawn(
                    .init(
                        path: "/bin/true", environment: CStringBlock(), directory: "/",
                        descriptors: (0, 1, 2, 0))
                ).reap()
            } catch {
                said = "\(error)"
            }
            write("\(getpid())", "\(Self.pids)/cgroup.procs")
            rmdir(place)
            #expect(said.contains("no further process can be started"), "\(said)")
            #expect(said.hasSuffix(".scope"), "\(said)")
            #expect(said.contains("may have 1 of them; raise TasksMax= of crd-test-"), "\(said)")
        }
    }

    @Test(
        "names what is wanting, whatever that is",
        arguments: [
            (
                CRD_SPAWN_EXEC, Errno.resourceTemporarilyUnavailable,
                "nobody has as many processes as it may"
            ),
            (CRD_SPAWN_EXEC, .resourceTemporarilyUnavailable, "raise LimitNPROC= in crd.service"),
            (CRD_SPAWN_CLONE, .resourceTemporarilyUnavailable, "raise "),
            (CRD_SPAWN_CLONE, .noMemory, "raise MemoryMax= in crd.service"),
            (CRD_SPAWN_CLONE, .tooManyOpenFiles, "raise LimitNOFILE= in crd.service"),
            (CRD_SPAWN_EXEC, .tooManyOpenFilesInSystem, "raise the sysctl fs.file-max"),
            (CRD_SPAWN_EXEC, .argListTooLong, "shorten 'environment' in module.toml"),
        ])
    func remedies(step: crd_spawn_step, errno: Errno, text: String) {
        let error = SpawnError(
            step: step, errno: errno, path: "/m/check", directory: "/m", user: "nobody")
        #expect(error.description.contains(text), "\(error)")
    }

    @Test("says so where a program's environment is too large") func tooLarge() {
        var environment = CStringBlock()
        for index in 0..<64 {
            environment.append("V\(index)", String(repeating: "x", count: 100_000))
        }
        let error = #expect(throws: SpawnError.self) {
            _ = try ChildProcess.spawn(
                .init(
                    path: "/bin/true", environment: environment, directory: "/",
                    descriptors: (0, 1, 2, 0))
            ).reap()
        }
        #expect(error?.description.contains("shorten 'environment' in module.toml") == true)
    }
}
