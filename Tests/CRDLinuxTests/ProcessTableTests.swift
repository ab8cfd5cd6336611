// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("ProcessTable", .timeLimit(.minutes(1)))
struct ProcessTableTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func killAll(_ processes: [ProcessTable.Entry]) {
        for process in processes { ProcessTable.send(SIGKILL, to: process) }
    }

    @Test("finds a process and all below it, other sessions included") func tree() throws {
        let process = try Shell("setsid sh -c 'sleep 100 & sleep 100 & wait' & wait").start()
        var tree: [ProcessTable.Entry] = []
        #expect(
            eventually {
                tree = ProcessTable().tree(below: [process.pid])
                return tree.count == 4
            })
        #expect(tree.first?.pid == process.pid)
        #expect(tree.first?.parent == getpid())
        #expect(Set(tree).count == 4)
        // Told to look below a process and below its parent, it names nobody twice.
        let again = ProcessTable().tree(below: tree.map(\.pid))
        #expect(Set(again) == Set(tree) && again.count == 4)
        #expect(ProcessTable().tree(below: []).isEmpty)
        killAll(tree)
        #expect(try process.wait() == .signaled(SIGKILL))
    }

    @Test(
        "is not misled by a process's name",
        arguments: [
            "a) R 1", ") Z 1 1 1", "(", ")", "a b\nc", "))) S 0 0 0 0 0 0",
        ])
    func names(name: String) throws {
        // It must not execute anything else, which would change its name.
        var shell = Shell("kill -STOP $$")
        shell.path = try directory.link(name, to: "/bin/sh").string
        let process = try shell.start()
        let entry = try #require(ProcessTable.entry(process.pid))
        #expect(entry.parent == getpid())
        #expect(!entry.isZombie)
        #expect(entry.startTime > 0)
        process.send(SIGKILL)
        process.waitUntilDead()
        #expect(ProcessTable.entry(process.pid)?.isZombie == true)
        #expect(ProcessTable().tree(below: [process.pid]).isEmpty, "the dead are left out")
        _ = try process.wait()
        #expect(ProcessTable.entry(process.pid) == nil)
    }

    @Test("a signal meets only the process that was seen") func startTime() throws {
        let process = try Shell("exec sleep 100").start()
        let seen = try #require(ProcessTable.entry(process.pid))
        let former = ProcessTable.Entry(
            pid: seen.pid, parent: seen.parent, startTime: seen.startTime - 1, isZombie: false)
        ProcessTable.send(SIGKILL, to: former)
        usleep(20_000)
        #expect(try process.reap() == nil)
        ProcessTable.send(SIGTERM, to: seen)
        #expect(try process.wait() == .signaled(SIGTERM))
        // It has gone: nobody is met, and nothing fails.
        ProcessTable.send(SIGKILL, to: seen)
    }

    @Test("reads the environment a process was started with") func environment() throws {
        var shell = Shell("export CRD_RUN=changed; echo ready; kill -STOP $$")
        shell.environment = ["CRD_RUN=a=b\n", "CRD_RUNS=no", "EMPTY=", "alone", "CRD_STATE=/x"]
        let output = try MemoryOutput()
        let process = try shell.start(printingInto: output.descriptor)
        #expect(eventually { output.text == "ready\n" })
        let names = ["CRD_RUN", "CRD_STATE", "EMPTY", "MISSING", "alone"]
        let found = ProcessTable.environment(of: process.pid, names)
        #expect(found == ["CRD_RUN": "a=b\n", "CRD_STATE": "/x", "EMPTY": ""])
        process.end()
        #expect(ProcessTable.environment(of: process.pid, names) == nil)
    }
}
