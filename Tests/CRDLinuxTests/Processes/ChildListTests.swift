// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Testing

@Suite("ChildList", .timeLimit(.minutes(10)))
struct ChildListTests {
    @Test("knows our children until they are collected") func children() throws {
        let list = ChildList()
        let process = try Shell("exit 3").start()
        #expect(list.read().contains(process.pid))
        process.waitUntilDead()
        #expect(list.read().contains(process.pid))
        #expect(ProcessTable.reap(process.pid))
        #expect(!ProcessTable.reap(process.pid))
        #expect(!list.read().contains(process.pid))
    }

    @Test("knows more than one read takes in") func many() async {
        await #expect(processExitsWith: .success) {
            let list = ChildList()
            #expect(list.read() == [])
            let pids = try (0..<1_000).map { _ in try Shell("").start().pid }
            #expect(list.read().sorted() == pids.sorted())
        }
    }
}
