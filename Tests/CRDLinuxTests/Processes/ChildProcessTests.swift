// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CTestSupport
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

/// Goal: a child finds the same world whatever its parent is like, and a failed spawn leaves
/// nothing behind.
/// Method: shells that print what they find. Tests that change the parent run in their own process.
@Suite("ChildProcess", .serialized, .timeLimit(.minutes(10)))
struct ChildProcessTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let nobody = UserAccount(
        name: "nobody", uid: 65_534, gid: 65_533, groups: [65_533, 7, 9], home: "/",
        shell: "/bin/sh")

    /// What a script prints in a child of any parent.
    private static let world: [(script: String, printed: String)] = [
        (
            "read pid name state parent group session rest < /proc/$$/stat; "
                + "echo $((group - pid)) $((session - pid))", "0 0\n"
        ),
        ("umask", "0022\n"),
        ("readlink /proc/$$/cwd", "/usr\n"),
        ("ls /proc/$$/fd", "0\n1\n2\n3\n"),
        ("exec grep SigBlk /proc/self/status", "SigBlk:\t0000000000000000\n"),
        ("grep SigIgn /proc/$$/status", "SigIgn:\t0000000000000000\n"),
        ("tr '\\0' '\\n' < /proc/$$/environ", "A=1\nB=x y\n"),
        ("tr '\\0' '\\n' < /proc/$$/cmdline", "/bin/sh\n"),
        ("ulimit -n", "77\n"),
    ]

    private static func checkWorld() throws {
        for (script, printed) in world {
            var shell = Shell(script)
            shell.environment = ["A=1", "B=x y"]
            shell.directory = "/usr"
            shell.openFiles = 77
            #expect(try shell.printed() == printed, "\(script)")
        }
    }

    private static func checkUser() throws {
        var shell = Shell("grep -E '^(Uid|Gid|Groups|CapEff)' /proc/$$/status")
        shell.user = nobody
        let uids = Array(repeating: "65534", count: 4).joined(separator: "\t")
        let gids = Array(repeating: "65533", count: 4).joined(separator: "\t")
        let expected = """
            Uid:\t\(uids)
            Gid:\t\(gids)
            Groups:\t7 9 65533 
            CapEff:\t0000000000000000

            """
        #expect(try shell.printed() == expected)
    }

    /// What a daemon may have inherited or set for itself.
    private static func becomeHostile() {
        for number in [SIGPIPE, SIGHUP, SIGINT, SIGUSR1, 40, 64] { signal(number, SIG_IGN) }
        signal(SIGUSR2) { _ in }
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        umask(0)
        for _ in 0..<8 { _ = open("/dev/null", O_RDONLY) }
    }

    @Test("is born into the same world") func world() async {
        // In a process of its own: other tests ignore SIGPIPE for all of this one, and which signals
        // are ignored is read before the first child.
        await #expect(processExitsWith: .success) { try Self.checkWorld() }
    }

    @Test("is so of a parent that ignores and blocks signals and leaks descriptors")
    func hostileParent() async {
        await #expect(processExitsWith: .success) {
            Self.becomeHostile()
            try Self.checkWorld()
            if geteuid() == 0 { try Self.checkUser() }
        }
    }

    @Test(
        "has a session keyring of its own if it runs as another user", .enabled(if: geteuid() == 0))
    func sessionKeyring() throws {
        #if arch(x86_64)
            let keyctl = 250
        #else
            let keyctl = 219
        #endif
        // KEYCTL_GET_KEYRING_ID and KEY_SPEC_SESSION_KEYRING, without making one.
        var shell = Shell("perl -e 'print syscall(\(keyctl), 0, -3, 0)'")
        shell.environment = ["PATH=/usr/bin:/bin"]
        let ours = try shell.printed()
        #expect(try shell.printed() == ours)
        shell.user = Self.nobody
        let first = try shell.printed()
        let second = try shell.printed()
        #expect(!ours.isEmpty && !first.isEmpty && !second.isEmpty)
        #expect(Set([ours, first, second]).count == 3)
        #expect(first != "-1" && second != "-1")
    }

    @Test(
        "is so where the kernel has no clone3, or an old one", arguments: [ENOSYS, EINVAL, EPERM])
    func withoutClone3(error: CInt) async {
        await #expect(processExitsWith: .success) { [error = error as CInt] in
            Self.becomeHostile()
            try #require(crd_test_deny_clone3(error) == 0)
            try Self.checkWorld()
            if geteuid() == 0 { try Self.checkUser() }
            var missing = Shell("")
            missing.path = "/nowhere"
            #expect(throws: SpawnError.self) { try missing.start().end() }
            // Only clone3 supports this, and a run outside its cgroup would not be contained.
            var contained = Shell("")
            contained.cgroup = 0
            let failure = #expect(throws: SpawnError.self) { try contained.start().end() }
            #expect(failure?.errno.rawValue == error)
            #expect(failure?.description.hasPrefix("clone '/bin/sh': ") == true)
        }
    }

    @Test("carries its mark for life, with all its descendants, whatever they do to hide")
    func mark() throws {
        var shell = Shell(
            "(setsid env -i /bin/sh -c '(echo $$; exec sleep 100) & exit' &); exec sleep 100")
        shell.environment = ["PATH=/usr/bin:/bin"]
        let mark = ProcessMark.random()
        shell.mark = mark
        let output = try MemoryOutput()
        let process = try shell.start(printingInto: output.descriptor)
        #expect(eventually { output.text.hasSuffix("\n") })
        let marked = ProcessTable().entries.filter { mark.isCarried(by: $0.pid) }
        #expect(marked.contains { $0.pid == process.pid })
        #expect(marked.contains { $0.parent != process.pid && $0.parent != getpid() })
        // Without a mark of its own a child has none, though its parent may have one.
        shell.mark = nil
        let other = try shell.start()
        #expect(ProcessMark.Limits(of: other.pid) == ProcessMark.Limits(of: getpid()))
        for entry in marked { ProcessTable.send(SIGKILL, to: entry) }
        _ = try process.wait()
        for entry in ProcessTable().tree(below: [other.pid]) {
            ProcessTable.send(SIGKILL, to: entry)
        }
        _ = try other.wait()
    }

    @Test("becomes another user with all its groups", .enabled(if: geteuid() == 0))
    func user() throws {
        try Self.checkUser()
    }

    @Test("finds its descriptors in any order, numbers below four included")
    func descriptors() async throws {
        let script = try directory.write(
            "script", "#!/bin/sh\nreadlink /proc/$$/fd/[0-3]\n", mode: 0o755)
        await #expect(processExitsWith: .success) { [path = script.string as String] in
            let names = ["a", "b", "c", "d"]
            // libdispatch's threads may use one of the numbers that are taken below.
            try #require(crd_test_unshare_descriptors() == 0)
            // A free number below four would become a file's, and be overwritten later.
            while open("/dev/null", O_RDONLY | O_CLOEXEC) < 4 {}
            let files = try names.map { try MemoryOutput($0) }
            for order in Self.orders {
                // Our files take the numbers 0 to 3 during the spawn.
                let kept = (0..<4).map { fcntl($0, F_DUPFD_CLOEXEC, 10) }
                for (number, file) in files.enumerated() { dup2(file.descriptor, CInt(number)) }
                let d = order.map { $0 < 4 ? CInt($0) : files[$0 - 4].descriptor }
                let process = Result {
                    try ChildProcess.spawn(
                        .init(
                            path: path, environment: CStringBlock(), directory: "/",
                            descriptors: (d[0], d[1], d[2], d[3]))
                    )
                    .wait()
                }
                for number in 0..<4 {
                    if kept[number] >= 0 {
                        dup2(kept[number], CInt(number))
                        close(kept[number])
                    } else {
                        close(CInt(number))
                    }
                }
                #expect(try process.get() == .exited(0))
                let wanted = order.map { "/memfd:\(names[$0 % 4]) (deleted)\n" }.joined()
                let output = files[order[1] % 4]
                #expect(output.text == wanted, "\(order)")
                ftruncate(output.descriptor, 0)
                lseek(output.descriptor, 0, SEEK_SET)
            }
        }
    }

    /// 0 to 3 are those numbers, 4 to 7 the same files under higher ones.
    private static let orders: [[Int]] = {
        var orders: [[Int]] = []
        for a in 0..<4 {
            for b in 0..<4 where b != a {
                for c in 0..<4 where c != a && c != b { orders.append([a, b, c, 6 - a - b - c]) }
            }
        }
        return orders + [[4, 5, 6, 7], [7, 6, 5, 4], [1, 4, 7, 0], [3, 0, 5, 2]]
    }()

    @Test(
        "G15: is not another user's before the parent has let go of what that user could hold",
        .enabled(if: geteuid() == 0))
    func gate() async {
        await #expect(processExitsWith: .success) {
            var shell = Shell("exec sleep 100")
            shell.user = Self.nobody
            let nothing = try Descriptor.open("/dev/null", O_WRONLY)
            var status = ""
            let process = try shell.start(printingInto: nothing.rawValue) {
                // The only child of this process. It comes to rest at the gate, or in its program.
                _ = eventually {
                    guard let pid = ChildList().read().first else { return false }
                    status = Self.status(of: pid)
                    return status.contains("State:\tS")
                }
            }
            #expect(status.contains("\nUid:\t0\t0\t0\t0\n"), "\(status)")
            #expect(
                eventually { Self.status(of: process.pid).contains("\nUid:\t65534\t") },
                "it goes on")
            process.end()
        }
    }

    private static func status(of pid: PID) -> String {
        let file = try? Descriptor.open(FilePath("/proc/\(pid)/status"), O_RDONLY)
        return String(decoding: (try? file?.readAll()) ?? [], as: UTF8.self)
    }

    @Test("G7: dies with its parent, also as another user", arguments: [false, true])
    func parentDeath(asAnother: Bool) async throws {
        if asAnother && geteuid() != 0 { return }
        let result = await #expect(
            processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
        ) { [asAnother = asAnother as Bool] in
            var shell = Shell("exec sleep 100")
            if asAnother { shell.user = Self.nobody }
            let process = try shell.start()
            _ = "pid \(process.pid).".withCString { write(1, $0, strlen($0)) }
            kill(getpid(), SIGKILL)
        }
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        let pid = try #require(
            output.split(separator: "pid ").last.flatMap { PID($0.prefix { $0 != "." }) })
        #expect(eventually { ProcessTable.entry(pid)?.isZombie ?? true })
    }

    // MARK: Failures

    /// Why the spawn fails, be it as ourselves or as another user.
    private func failure(_ path: FilePath, directory: String = "/") -> (Errno, String)? {
        var shell = Shell("")
        shell.path = path.string
        shell.directory = directory
        let failure = Self.failure(of: shell)
        guard geteuid() == 0 else { return failure }
        shell.user = Self.nobody
        let others = Self.failure(of: shell)
        return others?.0 == failure?.0 && others?.1 == failure?.1 ? failure : nil
    }

    private static func failure(of shell: Shell) -> (Errno, String)? {
        do {
            let process = try shell.start()
            _ = try process.wait()
            return process.startFailure().map { ($0.errno, $0.description) }
        } catch let error as SpawnError {
            return (error.errno, error.description)
        } catch {
            return nil
        }
    }

    private static let absent =
        " cannot be executed: it, or the interpreter its #! line names, is not there; "
        + "check that line for the path and for a carriage return at its end"
    private static let forbidden =
        " may not be executed; chmod +x it, and see that its file system is not mounted noexec "
        + "and that the user it runs as may enter its directories"

    @Test("says why a file cannot be executed, and the remedy") func execFailures() throws {
        let cases: [(FilePath, Errno, String)] = [
            (directory["missing"], .noSuchFileOrDirectory, Self.absent),
            (
                try directory.write("interpreter", "#!/nowhere/sh\n", mode: 0o755),
                .noSuchFileOrDirectory, Self.absent
            ),
            (
                try directory.write("windows", "#!/bin/sh\r\n", mode: 0o755),
                .noSuchFileOrDirectory, Self.absent
            ),
            (try directory.write("plain", "#!/bin/sh\n"), .permissionDenied, Self.forbidden),
            (directory.path, .permissionDenied, Self.forbidden),
            (
                try directory.write("text", "exit 0\n", mode: 0o755), .execFormatError,
                " is neither a program for this machine nor a script with a #! line; "
                    + "make '#!/bin/sh' or the like its first line"
            ),
        ]
        for (path, errno, text) in cases {
            let (found, message) = try #require(failure(path), "\(path)")
            #expect(found == errno)
            #expect(message == "\(path)\(text)")
        }
    }

    @Test("says that a file is still being written") func beingWritten() throws {
        let path = try directory.write("busy", "#!/bin/sh\n", mode: 0o755)
        let writer = try Descriptor.open(path, O_WRONLY)
        let (errno, message) = try #require(failure(path))
        #expect(errno == .textFileBusy)
        #expect(message == "\(path) is still being written")
        _ = consume writer
    }

    @Test("says which directory it cannot enter") func missingDirectory() throws {
        let gone = directory["gone"].string
        let (errno, message) = try #require(failure("/bin/sh", directory: gone))
        #expect(errno == .noSuchFileOrDirectory)
        #expect(message == "chdir '\(directory["gone"])': No such file or directory")
    }

    @Test("leaves no zombie and no descriptor behind") func failuresLeaveNothing() async {
        await #expect(processExitsWith: .success) {
            func open() -> Int { Directory.entries(of: "/proc/self/fd").count }
            func start(_ path: String, in directory: String, descriptor: CInt = 0) {
                for user in geteuid() == 0 ? [nil, Self.nobody] : [nil] {
                    _ = try? ChildProcess.spawn(
                        .init(
                            path: path, environment: CStringBlock(), directory: directory,
                            descriptors: (0, 1, 2, descriptor), user: user)
                    )
                    .wait()
                }
            }
            start("/nowhere", in: "/")
            let before = open()
            for _ in 0..<300 {
                start("/nowhere", in: "/")
                start("/bin/true", in: "/nowhere")
                start("/bin/true", in: "/", descriptor: 999)
                start("/bin/true", in: "/")
            }
            // Other threads may briefly open one; a leak would be hundreds.
            let after = open()
            #expect(abs(after - before) < 10, "\(before) descriptors, then \(after)")
            let allChildren: CInt = 0x4000_0000  // __WALL
            let result = waitpid(-1, nil, WNOHANG | allChildren)
            let code = errno
            #expect(result == -1 && code == ECHILD, "waitpid: \(result), \(code)")
            #expect(ChildList().read() == [], "children of this thread")
        }
    }
}
