// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Foundation
import SystemPackage
import Testing

@testable import CRDDaemon

@Suite("JournalPositions")
struct JournalPositionsTests {
    @Test(
        "looking up every module takes as long for each of ten thousand as for each of a thousand")
    func growth() throws {
        func nanoseconds(_ count: Int) -> UInt64 {
            var contents = JournalPositions.Contents(
                read: JournalPosition(cursor: "c", time: 1, order: 1))
            let names = (0..<count).map { "module-\($0)" }
            for name in names { contents.upToDate.insert(name) }
            func now() -> UInt64 { processorTime(CLOCK_THREAD_CPUTIME_ID) }
            return (0..<5).map { _ in
                let before = now()
                let found = names.count { contents.record(of: $0) != nil }
                #expect(found == count)
                return now() - before
            }.min() ?? 0
        }
        // Linear: 10; a list that is searched: 100.
        #expect(nanoseconds(10_000) < 32 * nanoseconds(1_000))
    }

    /// What a former daemon stored for a module that counts.
    private static let text = #"""
        {"read":{"cursor":"c","time":2,"bootID":"","monotonic":0,"order":7,"isInclusive":false},\#
        "upToDate":["a","b"],"records":{"n":{"position":{"cursor":"d","time":1,"bootID":"e",\#
        "monotonic":3,"order":6,"isInclusive":true},"counters":[{"trigger":{"match":[{"field":"F",\#
        "values":["v"]}],"field":"MESSAGE","pattern":"(?<k>.)","counting":{"count":3,\#
        "window":[60000000000,0],"key":{"capture":{"_0":"k"}}}},"counter":{"windows":[{"key":[7,255],\#
        "entries":[{"time":1,"cursor":"d","boot":"e","monotonic":3}]}],"size":1,"forgotten":4}}]}}}
        """#

    @Test("are stored as former daemons did, and read back as they were")
    func format() throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let file = directory + "/journal.json"
        try Data(Self.text.utf8).write(to: URL(fileURLWithPath: file))
        let positions = JournalPositions(in: FilePath(directory))
        let contents = try #require(try positions.load())
        #expect(contents.upToDate == ["a", "b"])
        #expect(contents.records["n"]?.position.order == 6)
        positions.store(contents)
        while positions.isStoring { try positions.goOn(until: Instant(nanoseconds: 0)) }
        func object(_ data: Data) throws -> NSDictionary {
            try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
        }
        let stored = try Data(contentsOf: URL(fileURLWithPath: file))
        #expect(try object(stored) == object(Data(Self.text.utf8)))
        let again = try #require(try positions.load())
        #expect(again.records == contents.records && again.read == contents.read)
    }
}

private func processorTime(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
