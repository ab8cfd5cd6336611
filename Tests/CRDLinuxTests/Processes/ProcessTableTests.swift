// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("ProcessTable", .timeLimit(.minutes(10)))
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
        // Told to look below a process and its parent, it lists no process twice.
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
        // The shell must not execute anything else, which would change its name.
        var shell = Shell("kill -STOP $$")
        shell.path = try directory.link(name, to: "/bin/sh").string
        let process = try shell.start()
        let entry = try #require(ProcessTable.entry(process.pid))
        #expect(entry.parent == getpid())
        #expect(!entry.isZombie)
        #expect(entry.identity > 0)
        process.send(SIGKILL)
        process.waitUntilDead()
        #expect(ProcessTable.entry(process.pid)?.isZombie == true)
        #expect(ProcessTable().tree(below: [process.pid]).isEmpty, "the dead are left out")
        _ = try process.wait()
        #expect(ProcessTable.entry(process.pid) == nil)
    }

    @Test("a signal meets only the process that was seen") func identity() throws {
        let process = try Shell("exec sleep 100").start()
        let seen = try #require(ProcessTable.entry(process.pid))
        let former = ProcessTable.Entry(
            pid: seen.pid, parent: seen.parent, identity: seen.identity - 1, isZombie: false,
            isKernelThread: false)
        ProcessTable.send(SIGKILL, to: former)
        usleep(20_000)
        #expect(try process.reap() == nil)
        ProcessTable.send(SIGTERM, to: seen)
        #expect(try process.wait() == .signaled(SIGTERM))
        // It has gone: no other is hit, and nothing fails.
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

    @Test(
        "recognizes a kernel thread, whatever a process calls itself",
        arguments: [
            // Linux 6.12 tells it; 6.1 does not.
            ("Name:\tkworker/0:1H\nState:\tI (idle)\nPPid:\t2\nKthread:\t1\nThreads:\t1\n", true),
            ("Name:\tkthreadd\nState:\tS (sleeping)\nPPid:\t0\nThreads:\t1\n", true),
            ("Name:\tkworker/0:1H\nState:\tI (idle)\nPPid:\t2\nThreads:\t1\n", true),
            (
                "Name:\tkthreadd\nState:\tS (sleeping)\nPPid:\t1\nVmSize:\t9 kB\nThreads:\t1\n",
                false
            ),
            // In a container, process 2 is nothing special: its child lives, or has just ended.
            (
                "Name:\ta\\nKthread:\t1\nState:\tS (sleeping)\nPPid:\t2\nVmSize:\t9 kB\nThreads:\t1\n",
                false
            ),
            ("Name:\tsh\nState:\tZ (zombie)\nPPid:\t2\nThreads:\t1\n", false),
            ("Name:\tsh\nState:\tS (sleeping)\nPPid:\t2\nKthread:\t0\nThreads:\t1\n", false),
        ])
    func kernelThreads(status: String, isKernelThread: Bool) throws {
        let status = try #require(ProcessStatus(Array("\(status)Uid:\t0\t0\t0\t0\n".utf8)))
        #expect(status.isKernelThread == isKernelThread)
        let own = try #require(ProcessTable.entry(getpid()))
        #expect(!own.isKernelThread)
    }

    @Test(
        "asks another user's process for nothing that could keep us waiting",
        .enabled(if: geteuid() == 0))
    func otherUsers() throws {
        var shell = Shell("exec sleep 100")
        shell.environment = ["PATH=/usr/bin:/bin", "CRD_RUN=1"]
        shell.user = UserAccount.named("nobody")
        let process = try shell.start()
        defer { process.end() }
        #expect(
            eventually { ProcessTable.userIDs(of: process.pid) == [65534, 65534, 65534, 65534] })
        #expect(ProcessTable.environment(of: process.pid, ["CRD_RUN"]) == nil)
    }

    @Test(
        "waits once, for all of them together, where processes show neither environment nor arguments"
    )
    func silentProcesses() throws {
        // It erases what execve leaves at the top of the stack, as in the middle of execve.
        let program = try directory.write(
            "silent",
            """
            #!/usr/bin/env python3
            import ctypes, re, signal
            libc = ctypes.CDLL(None)
            libc.munmap.argtypes = ctypes.c_size_t, ctypes.c_size_t
            fields = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
            start = int(fields[45]) & ~4095
            end = int(re.search(r"-(\\w+) .*\\[stack\\]", open("/proc/self/maps").read())[1], 16)
            # From far below, since the frames of main are there too.
            def hide(depth):
                if depth: return list(map(hide, [depth - 1]))
                libc.munmap(start, end - start)
                print("ready", flush=True)
                signal.pause()
            hide(200)

            """, mode: 0o755)
        var shell = Shell("")
        shell.path = program.string
        shell.environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "CRD_RUN=1"]
        let output = try MemoryOutput()
        let process = try shell.start(printingInto: output.descriptor)
        defer { process.end() }
        #expect(eventually { output.text == "ready\n" })
        var reader = EnvironmentReader(["CRD_RUN"])
        #expect(reader.read([process.pid, process.pid])[process.pid] == [:])
        // A process that was given up on costs no more pauses.
        let before = reader.pauses
        #expect(reader.read([process.pid])[process.pid] == [:])
        #expect(before > 0 && reader.pauses == before)
    }

    @Test(
        "tells a signal that the kernel refuses, and does not wait for it",
        .enabled(if: geteuid() == 0))
    func refusal() async {
        await #expect(processExitsWith: .success) {
            let parent = getppid()
            try #require(setuid(65534) == 0)
            let seen = try #require(ProcessTable.entry(parent))
            #expect(!ProcessTable.send(SIGURG, to: seen))
            #expect(KillRefusal(seen).description.contains("runs as user 0, and crd as user 65534"))
        }
    }

    @Test("ends all that are meant, with what they have started, and nobody else") func killAll()
        throws
    {
        var shell = Shell("setsid sh -c 'sleep 100 & sleep 100 & wait' & wait")
        shell.environment = ["PATH=/usr/bin:/bin", "CRD_RUN=\(directory.path)"]
        let process = try shell.start()
        shell.environment[1] += "/other"
        let other = try shell.start()
        #expect(eventually { ProcessTable().tree(below: [process.pid, other.pid]).count == 8 })
        let name = directory.path.string
        let killed = ProcessTable.killAll(knowing: ["CRD_RUN"]) { $1["CRD_RUN"] == name }
        #expect(killed.killed == 4 && killed.refused.isEmpty)
        #expect(try process.wait() == .signaled(SIGKILL))
        let rest = ProcessTable().tree(below: [other.pid])
        #expect(rest.count == 4)
        self.killAll(rest)
        _ = try other.wait()
    }

    /// A chain of processes, each the parent of the next; every one is a root.
    private func line(of count: Int) -> (table: ProcessTable, roots: [PID]) {
        let roots = (0..<count).map { PID($0 + 2) }
        return (
            ProcessTable(
                roots.map {
                    .init(
                        pid: $0, parent: $0 - 1, identity: 1, isZombie: false,
                        isKernelThread: false)
                }), roots
        )
    }

    @Test("what is meant does not grow with the square of those that are meant")
    func growth() {
        let ratio = Growth.ratio(for: 300) { count in
            let (table, roots) = line(of: count)
            var asked = 0
            let cost = Growth.cost {
                let tree = table.tree(below: roots) { _ in
                    asked += 1
                    return 7
                }
                #expect(tree.map(\.pid) == roots)
            }
            #expect(asked == count)
            return cost
        }
        #expect(ratio < Growth.limit)
    }

    @Test("below a user's process only what is that user's is meant, and below root's everything")
    func owners() {
        let (table, _) = line(of: 8)
        // Process 2 is root's, 3 and 4 belong to 7, 5 to 8, 6 is set-user-ID, 7 to 9 belong to 7.
        let users: [PID: UID] = [2: 0, 3: 7, 4: 7, 5: 8, 7: 7, 8: 7, 9: 7]
        func meant(_ roots: PID...) -> [PID] {
            table.tree(below: roots) { users[$0] }.map(\.pid)
        }
        #expect(meant(2) == [2, 3, 4, 5, 6, 7, 8, 9])
        #expect(meant(3) == [3, 4, 7, 8, 9])
        #expect(meant(5) == [5])
        #expect(meant(3, 5) == [3, 4, 5, 7, 8, 9])
        #expect(meant(5, 2) == [2, 3, 4, 5, 6, 7, 8, 9])
        #expect(meant(6) == [6])
        #expect(meant() == [])
        // Process numbers that were reused while /proc was read.
        let circle = ProcessTable([
            .init(pid: 2, parent: 3, identity: 1, isZombie: false, isKernelThread: false),
            .init(pid: 3, parent: 2, identity: 1, isZombie: true, isKernelThread: false),
        ])
        #expect(circle.tree(below: [3]) { _ in 7 }.map(\.pid) == [2])
    }
}
