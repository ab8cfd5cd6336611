// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Foundation
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

    @Test("the modules that are up to date are stored as a list, as former daemons did")
    func format() throws {
        let text = #"{"upToDate":["a","b"],"records":{}}"#
        let contents = try JSONDecoder().decode(
            JournalPositions.Contents.self, from: Data(text.utf8))
        #expect(contents.upToDate == ["a", "b"])
        let stored = try JSONSerialization.jsonObject(with: JSONEncoder().encode(contents))
        let list = (stored as? [String: Any])?["upToDate"] as? [String]
        #expect(list?.sorted() == ["a", "b"])
    }
}

private func processorTime(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
