// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage
import TestSupport

/// A shell that `ChildProcess.spawn` starts, with its script on descriptor 0.
struct Shell {
    var script: String
    var path = "/bin/sh"
    var environment: [String] = []
    var directory = "/"
    var user: UserAccount?
    var cgroup: CInt?
    var openFiles: UInt64?
    var mark: ProcessMark?

    init(_ script: String) {
        self.script = script
    }

    func start(
        printingInto output: CInt, letGo: () -> Void = {}
    ) throws -> ChildProcess {
        let script = try MemoryFile(name: "script", Array(script.utf8))
        return try withExtendedLifetime(script) {
            try ChildProcess.spawn(
                .init(
                    path: path, environment: CStringBlock(environment), directory: directory,
                    descriptors: (script.descriptor, output, output, script.descriptor),
                    user: user, cgroup: cgroup, openFiles: openFiles, mark: mark), letGo: letGo)
        }
    }

    /// Starts it and discards its output.
    func start() throws -> ChildProcess {
        let nothing = try Descriptor.open("/dev/null", O_WRONLY)
        return try start(printingInto: nothing.rawValue)
    }

    /// Runs it to its end.
    func printed() throws -> String {
        let output = try MemoryOutput()
        let process = try start(printingInto: output.descriptor)
        _ = try process.wait()
        return output.text
    }
}

extension ChildProcess {
    /// Sleeps until it has ended, without collecting it.
    borrowing func waitUntilDead() {
        var request = pollfd(fd: pidfd.rawValue, events: Int16(POLLIN), revents: 0)
        while poll(&request, 1, -1) == -1 && errno == EINTR {}
    }

    /// Sleeps until it has ended, and collects it.
    borrowing func wait() throws -> Termination {
        waitUntilDead()
        while true { if let termination = try reap() { return termination } }
    }

    /// Ends it and collects it.
    borrowing func end() {
        send(SIGKILL)
        _ = try? wait()
    }
}

/// Polls the condition for at least a minute.
func eventually(_ isSo: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<30_000 {
        if try isSo() { return true }
        usleep(2_000)
    }
    return false
}
