// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import Testing

@testable import CRDLinux

@Suite("ChildSource", .timeLimit(.minutes(10)))
struct ChildSourceTests {
    private func end(of script: String) throws -> (Termination?, output: [UInt8]) {
        let reactor = try Reactor()
        let sink = CollectingSink()
        let (pipe, childEnd) = try PipeSource.make(into: sink)
        let process = try Shell(script).start(printingInto: childEnd)
        close(childEnd)
        var told: Termination?
        var finishesBefore = 0
        let source = ChildSource(process, outputs: [pipe]) { end, events in
            if case .ended(let termination) = end { told = termination }
            finishesBefore = sink.finishes
            events.append(.elapsed)
        }
        let token = try reactor.add(source)
        defer { reactor.remove(token) }
        // The pipe is not even registered: its source is drained when the child has ended.
        let history = try reactor.turn { !$0.events.isEmpty }
        #expect(history.events.count == 1, "told once")
        #expect(finishesBefore == 1 && sink.finishes == 1)
        #expect(ProcessTable.entry(source.pid) == nil, "collected")
        return (told, sink.bytes)
    }

    @Test(
        "tells how it ended, after all that it printed",
        arguments: [
            ("exit 0", Termination.exited(0)), ("exit 1", .exited(1)), ("exit 255", .exited(255)),
            ("exit 256", .exited(0)), ("exit 143", .exited(143)),
            ("kill -TERM $$", .signaled(SIGTERM)), ("kill -KILL $$", .signaled(SIGKILL)),
            ("kill -40 $$", .signaled(40)), ("ulimit -c 0; kill -SEGV $$", .signaled(SIGSEGV)),
        ])
    func termination(script: String, expected: Termination) throws {
        let (termination, output) = try end(of: "printf hello\n\(script)")
        #expect(termination == expected)
        #expect(output == Array("hello".utf8))
    }

    @Test("ends and collects what nobody will watch") func abandon() throws {
        let source = ChildSource(
            try Shell("trap '' TERM; exec sleep 100").start(), outputs: []
        ) { _, _ in }
        source.abandon()
        #expect(ProcessTable.entry(source.pid) == nil)
    }
}
