// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("Cgroup", .enabled(if: ScratchCgroup.mount != nil), .timeLimit(.minutes(10)))
struct CgroupTests {
    private let scratch: ScratchCgroup
    private var cgroup: Cgroup { scratch.cgroup }

    init() throws { scratch = try ScratchCgroup() }

    private func start(_ script: String, in cgroup: Cgroup) throws -> ChildProcess {
        var shell = Shell(script)
        shell.cgroup = cgroup.directoryDescriptor
        return try shell.start()
    }

    @Test("a process is born in it") func birth() throws {
        var shell = Shell("grep ^0:: /proc/$$/cgroup")
        shell.cgroup = cgroup.directoryDescriptor
        let name = try #require(cgroup.path.lastComponent).string
        #expect(try shell.printed() == "0::/\(name)\n")
    }

    @Test("a user without rights is born in it too") func birthAsAnother() throws {
        var shell = Shell("grep ^0:: /proc/$$/cgroup")
        shell.cgroup = cgroup.directoryDescriptor
        shell.user = UserAccount(
            name: "nobody", uid: 65_534, gid: 65_534, groups: [], home: "/", shell: "/bin/sh")
        #expect(try shell.printed().hasPrefix("0::/crd-test-"))
    }

    @Test("tells when its last process has gone") func emptied() throws {
        #expect(try !cgroup.isPopulated())
        let process = try start("exec sleep 100", in: scratch.below)
        #expect(try cgroup.isPopulated())
        let reactor = try Reactor()
        let token = try reactor.add(cgroup)
        defer { reactor.remove(token) }
        let before = try reactor.turn(for: .milliseconds(30))
        #expect(before.events.isEmpty)
        process.end()
        let after = try reactor.turn { !$0.events.isEmpty }
        #expect(after.events.allSatisfy(\.isEmptied) && !after.events.isEmpty)
        #expect(try !cgroup.isPopulated())
    }

    @Test("G7: kills grandchildren that left everything else behind") func kill() throws {
        let process = try start(
            "for i in 1 2 3; do (setsid sh -c 'trap \"\" TERM; sleep 100 & sleep 100' &) & done",
            in: cgroup)
        #expect(try process.wait() == .exited(0))
        #expect(try cgroup.isPopulated())
        #expect(!cgroup.isSpent)
        try cgroup.kill()
        #expect(cgroup.isSpent)
        #expect(try eventually { try !cgroup.isPopulated() })
        try cgroup.kill()
    }

    @Test("terminates those in it and below it, stopped ones too") func terminate() throws {
        let processes = [
            try Box(start("exec sleep 100", in: cgroup)),
            try Box(start("sleep 100", in: scratch.below)),
            try Box(start("kill -STOP $$; sleep 100", in: cgroup)),
        ]
        #expect(terminates())
        for process in processes { #expect(try process.value.wait() == .signaled(SIGTERM)) }
        #expect(terminates())
    }

    @Test("terminates a parent before its child") func order() throws {
        let directory = try TemporaryDirectory()
        let process = try start(
            """
            exec perl -e '
                if (!fork) { sleep 1000 while 1 }
                open(my $f, ">", $ARGV[0]); close $f;
                wait; exit 7' '\(directory["ready"])'
            """, in: cgroup)
        #expect(eventually { FileStatus(of: directory["ready"]) != nil })
        let sweep = CgroupSweep(of: cgroup)
        // It opens the directory, begins the list and reads it, and signals one.
        var share = 4
        #expect(!sweep.advance(&share))
        #expect(try process.wait() == .signaled(SIGTERM))
        #expect(try cgroup.isPopulated(), "the child lives")
        try cgroup.kill()
    }

    /// Whether a sweep completes.
    private func terminates() -> Bool {
        var share = 1_000
        return CgroupSweep(of: cgroup).advance(&share)
    }

    @Test("terminates some at a time, each of them once") func shares() throws {
        let directory = try TemporaryDirectory()
        let count: Int64 = 60
        let process = try start(
            """
            exec perl -e '
                $SIG{TERM} = sub { open(my $f, ">>", $ARGV[0]); syswrite($f, "x"); };
                for (2..\(count)) { last if !fork }
                open(my $f, ">>", "$ARGV[0].born"); syswrite($f, "x"); close $f;
                sleep 1000 while 1' '\(directory["terms"])'
            """, in: cgroup)
        func notes(_ name: String) -> Int64 { FileStatus(of: directory[name])?.size ?? 0 }
        #expect(eventually { notes("terms.born") == count })
        let sweep = CgroupSweep(of: cgroup)
        var steps: Int64 = 0
        var isDone = false
        while !isDone && steps < 10_000 {
            var share = 10
            isDone = sweep.advance(&share)
            steps += Int64(10 - share)
            // At most one process for each step can have got it.
            #expect(notes("terms") <= steps)
        }
        #expect(isDone)
        #expect(eventually { notes("terms") == count })
        // Each step is a signal, or a look at a directory or a page of its list.
        #expect(count...count + 20 ~= steps)
        try cgroup.kill()
        #expect(try process.wait() == .signaled(SIGKILL))
    }

    private final class Box {
        let value: ChildProcess
        init(_ value: consuming ChildProcess) { self.value = value }
    }

    @Test("goes only when it is empty, and is not made where one is")
    func removal() throws {
        let process = try start("exec sleep 100", in: scratch.below)
        scratch.below.remove()
        #expect(FileStatus(of: scratch.below.path) != nil)
        process.end()
        #expect(try eventually { try !scratch.below.isPopulated() })
        scratch.below.remove()
        #expect(FileStatus(of: scratch.below.path) == nil)
        let taken = #expect(throws: SystemCallError.self) { _ = try Cgroup(cgroup.path) { _ in } }
        #expect(taken?.errno == .fileExists)
    }

    @Test("cannot be made outside the hierarchy") func elsewhere() throws {
        let directory = try TemporaryDirectory()
        let error = #expect(throws: SystemCallError.self) {
            try withExtendedLifetime(directory) { _ = try Cgroup(directory["x"]) { _ in } }
        }
        #expect(error?.errno == .noSuchFileOrDirectory)
    }
}
