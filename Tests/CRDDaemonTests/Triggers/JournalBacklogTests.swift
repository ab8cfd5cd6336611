// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "100,000 journal entries that wait", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalBacklogTests {
    private static let count = 100_000
    private static let matching = 25_000

    @Test("G2, G4, G8: are all told, and path triggers are served meanwhile")
    func backlog() async throws {
        let place = try await JournalWorld(journald: "RuntimeMaxUse=300M\nRuntimeMaxFileSize=300M")
        let world = place.world
        let counts = "\(world.notes)/counts"
        let data = try world.makeDirectory("data")
        // The first check by an entry makes a file while the daemon is stopped, so that it has most
        // entries still to read when it could notice the file.
        try world.module(
            "All",
            check: """
                echo $((CRD_EVENT_COUNT + CRD_EVENT_DROPPED)) >>'\(counts)'
                if [ "$CRD_TRIGGER" = journal ] && mkdir '\(world.notes)/first'; then
                    kill -STOP $PPID
                    : >'\(data)/file'
                    kill -CONT $PPID
                fi
                exit 1
                """,
            manifest: "interval = 'off'\n" + JournalWorld.trigger("match = { TEST = 'yes' }"))
        try place.world.module(
            "Counting",
            check:
                "echo $((CRD_EVENT_COUNT + CRD_EVENT_DROPPED)) >>'\(world.notes)/counted'; exit 1",
            manifest: "interval = 'off'\n"
                + JournalWorld.trigger(
                    "match = { TEST = 'yes' }\npattern = '^(?<key>\\d+)'\ncount = 100\nwithin = '1h'\nby = 'key'"
                ))
        let path = try Witness(
            "Path", in: world, manifest: PathTests.trigger(data, "events = ['create']"),
            before: "[ \"$CRD_TRIGGER\" != path ] || cat '\(counts)' >'\(counts)-then'")
        try await place.start()
        try await path.runs(1)
        try await path.state("idle")
        try await world.stop()
        func total(_ name: String) -> Int {
            world.notedLines(name).compactMap { Int($0) }.reduce(0, +)
        }
        for index in 0..<Self.matching {
            try place.box.send(["MESSAGE": "\(index % 25) of \(index)", "TEST": "yes"])
            for _ in 1..<Self.count / Self.matching {
                try place.box.send(["MESSAGE": "\(index)", "TEST": "no"])
            }
        }
        try await place.box.sync()

        let daemon = try await place.start()
        try await path.runs(3)
        #expect(world.note("counts-then") != nil && total("counts-then") < Self.matching)
        var memory = 0
        try await eventually("all are told") {
            let text = Processes.status(daemon.pid, "RssAnon") ?? ""
            memory = max(memory, Int(text.split(separator: " ").first ?? "") ?? 0)
            return total("counts") >= Self.matching
        }
        #expect(total("counts") == Self.matching)
        // 25 keys, each of which comes 1,000 times.
        try await eventually("all that are counted are told") { total("counted") >= 250 }
        #expect(total("counted") == 250)
        #expect(memory > 0 && memory < 64 << 10, "\(memory) KiB")
    }
}
