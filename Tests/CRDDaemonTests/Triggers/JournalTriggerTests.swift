// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "Journal triggers", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalTriggerTests {
    @Test("tell each module of the entries that it looks out for, and of no others")
    func matching() async throws {
        let place = try await JournalWorld()
        let box = place.box
        // Each with its triggers, and with the entries that it must be told of.
        let modules: [(name: String, triggers: [String], told: [Int])] = [
            ("Value", ["match = { TOPIC = 'a' }"], [0, 1, 6]),
            ("Values", ["match = { TOPIC = ['a', 'b', 'never'] }"], [0, 1, 2, 3, 6]),
            ("All", ["match = { TOPIC = ['a', 'b'], LEVEL = '1' }"], [1, 3]),
            ("Either", ["match = { TOPIC = 'a' }", "match = { LEVEL = '1' }"], [0, 1, 3, 4, 6]),
            ("Pattern", ["pattern = '^entry [2-4]$'"], [2, 3, 4]),
            ("Anchored", ["match = { TOPIC = ['a', 'b'] }\npattern = '[13]$'"], [1, 3]),
            ("Field", ["field = 'OTHER'\npattern = '(?i)^X+$'"], [4, 5]),
            ("Both", ["match = { TOPIC = 'b' }\nfield = 'OTHER'\npattern = 'y'"], [3]),
            ("Empty", ["match = { TOPIC = '' }"], [7]),
            ("Never", ["match = { TOPIC = 'never' }", "pattern = 'entry \\d\\d'"], []),
            ("Missing", ["match = { TOPIC = 'a', NOWHERE = 'x' }", "match = { ABSENT = '' }"], []),
        ]
        let witnesses = try modules.map { module in
            try Witness(
                module.name, in: place.world,
                manifest: "interval = 'off'\n"
                    + module.triggers.map(JournalWorld.trigger).joined())
        }
        try await place.start()
        try box.send(["MESSAGE": "entry 0", "TOPIC": "a"])
        try box.send(["MESSAGE": "entry 1", "TOPIC": "a", "LEVEL": "1"])
        try box.send(["MESSAGE": "entry 2", "TOPIC": "b", "LEVEL": "2"])
        try box.send(["MESSAGE": "entry 3", "TOPIC": "b", "LEVEL": "1", "OTHER": "xyz"])
        try box.send(["MESSAGE": "entry 4", "TOPIC": "c", "LEVEL": "1", "OTHER": "XX"])
        try box.send(["MESSAGE": "entry 5", "TOPIC": "A", "OTHER": "x"])
        try box.send(["MESSAGE": "entry 6", "TOPIC": "a", "LEVEL": "11"])
        try box.send(["MESSAGE": "entry 7", "TOPIC": ""])
        try box.send(["MESSAGE": "entry 8", "TOPIC": "aa", "level": "1"])
        for (witness, module) in zip(witnesses, modules) {
            try await witness.tells(module.told.map { "entry \($0)" })
        }
        // An entry told twice would have come by now.
        try await Task.sleep(for: .seconds(1))
        for (witness, module) in zip(witnesses, modules) {
            let told = try witness.told
            #expect(told.map(\.message) == module.told.map { "entry \($0)" }, "\(module.name)")
            #expect(witness.runs.allSatisfy { $0.trigger == "journal" && $0.dropped == 0 })
            #expect(witness.runs.allSatisfy { $0.count == $0.lines.count && $0.count > 0 })
            #expect(told.allSatisfy { $0.known.count == 1 && $0.known.exceeded == nil })
            #expect(told.allSatisfy { $0.known.key == nil && $0.known.truncated == nil })
        }
        #expect(place.world.note("overlap") == nil)
    }

    @Test("look at every value of a field that an entry has several times")
    func severalValues() async throws {
        let place = try await JournalWorld()
        let one = try place.witness("One", "match = { DEV = 'one' }")
        let two = try place.witness("Two", "match = { DEV = 'two' }")
        // Found by another field, which journald itself has added.
        let both = try place.witness("Both", "match = { _TRANSPORT = 'journal', DEV = 'two' }")
        try await place.start()
        for _ in 0..<2 {
            // Their stored order depends on what the file has already.
            try place.box.send(["MESSAGE": "x", "DEV": "one", "DEV": "two"])
            for witness in [one, two, both] {
                try await eventually("\(witness.name) is told") { try !witness.told.isEmpty }
            }
            try await place.box.rotate()
            try place.box.send(["MESSAGE": "y", "DEV": "two"])
        }
        try await two.tells(["x", "y", "x", "y"])
        try await both.tells(["x", "y", "x", "y"])
        try await one.tells(["x", "x"])
    }

    @Test("hand on what the pattern's groups took part with")
    func captures() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "pattern = 'worker (?<worker>\\d+) (?<how>died|left)(?: of (?<why>.+))?'")
        try await place.start()
        try place.box.send(["MESSAGE": "the worker 17 died of hunger and thirst"])
        let first = try await log.runs(1)[0]
        #expect(first.message == Array("the worker 17 died of hunger and thirst".utf8))
        #expect(
            first.captures.mapValues { String(decoding: $0, as: UTF8.self) }
                == ["worker": "17", "how": "died", "why": "hunger and thirst"])
        let event = try #require(try first.journalEvents.first)
        #expect(
            event.known.captures.mapValues(\.text)
                == ["worker": "17", "how": "died", "why": "hunger and thirst"])

        // Groups that took no part are absent, not empty.
        try place.box.send(["MESSAGE": "worker 18 left"])
        let second = try await log.runs(2)[1]
        #expect(Set(second.captures.keys) == ["worker", "how"])
        #expect(Set(try second.journalEvents[0].known.captures.keys) == ["worker", "how"])

        // Not UTF-8; and a NUL, which no environment can hold.
        try place.box.send(bytes: [
            ("MESSAGE", Array("worker 19 died of ".utf8) + [0x41, 0, 0x42])
        ])
        let third = try await log.runs(3)[2]
        #expect(third.captures["why"] == Array("AB".utf8))
        #expect(third.message == Array("worker 19 died of AB".utf8))
        #expect(try third.journalEvents[0].known.captures["why"]?.bytes == [0x41, 0, 0x42])
    }

    @Test("run nothing of what an entry says")
    func hostileText() async throws {
        let place = try await JournalWorld()
        let log = try place.witness("Log", "field = 'TEXT'\npattern = '(?s)^(?<all>.*)$'")
        try await place.start()
        let evil = "\(place.world.notes)/evil"
        let texts = [
            "$(touch \(evil)) `touch \(evil)`", "; touch \(evil); '\"", "\n\ntouch \(evil)\n",
            "\\'; touch \(evil) #", "%s%n", "\u{1b}[2J", "\",\"trigger\":\"path\"}\n{",
        ]
        for (index, text) in texts.enumerated() {
            try place.box.send(["MESSAGE": text, "TEXT": text])
            let run = try await log.runs(index + 1)[index]
            #expect(run.captures["all"] == Array(text.utf8))
            #expect(run.message == Array(text.utf8))
            #expect(run.lines.count == 1)
            #expect(try run.journalEvents.map { $0.known.captures["all"]?.text } == [text])
        }
        #expect(access(evil, F_OK) != 0)
    }

    @Test(
        "name the unit that an entry is about, and believe only systemd about others",
        .enabled(if: PretendUnit.isPossible, "\(PretendUnit.needs)"))
    func units() async throws {
        let place = try await JournalWorld()
        let (box, unit) = (place.box, try PretendUnit("flappy"))
        let log = try place.witness("Log", "field = 'TEXT'\npattern = '.'")
        let its = try place.witness("Its", "match = { _SYSTEMD_UNIT = '\(unit.name)' }")
        try await place.start()
        try box.send(["MESSAGE": "own", "TEXT": "1"], from: unit.pid)
        #expect(try await log.runs(1)[0].unit == unit.name)
        #expect(try await its.runs(1)[0].unit == unit.name)
        try box.send(["MESSAGE": "its", "TEXT": "2", "UNIT": "other.service"], from: 1)
        #expect(try await log.runs(2)[1].unit == "other.service")
        // A unit that says this of another speaks of itself.
        try box.send(["MESSAGE": "lie", "TEXT": "3", "UNIT": "other.service"], from: unit.pid)
        #expect(try await log.runs(3)[2].unit == unit.name)
        try await its.tells(["own", "lie"])
    }

    @Test("show an entry as journalctl does")
    func likeJournalctl() async throws {
        let place = try await JournalWorld()
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        try await place.start()
        func text(_ name: String, _ value: String) -> JournalSocket.Field {
            (name, Array(value.utf8))
        }
        let entries: [[JournalSocket.Field]] = [
            [text("MESSAGE", "plain, \"quoted\" \\ / é 😀")],
            [text("MESSAGE", "two\nlines\ttab \u{1b}[31m \u{7f} \u{1}")],
            [("MESSAGE", [UInt8](0...255)), ("LATIN", [0x63, 0x61, 0x66, 0xe9])],
            [("MESSAGE", [0x61, 0, 0x62]), text("EMPTY", "")],
            [
                text("MESSAGE", "many"), text("X", "1"), text("X", "2"), text("X", "three"),
                ("X", [0xff]),
            ],
            [text("NO_MESSAGE", "at all"), text("PRIORITY", "3")],
            [
                text("MESSAGE", "\u{feff}\u{2028}\u{fffe}\u{202e}"),
                ("LONG", Array(repeating: 0x78, count: 60_000)),
            ],
            [
                text("MESSAGE", "surrogate"), ("BAD", [0xed, 0xa0, 0x80]),
                ("OVERLONG", [0xc0, 0xaf]),
            ],
        ]
        for fields in entries { try place.box.send(bytes: fields + [text("TEST", "yes")]) }
        try await eventually("all are told") { try log.told.count >= entries.count }
        let told = try log.told
        let shown = try await place.box.entries().filter { $0["TEST"] != nil }
        try #require(shown.count == entries.count && told.count == entries.count)
        for (event, var entry) in zip(told, shown) {
            // Newer versions show these too.
            for name in ["__SEQNUM", "__SEQNUM_ID"] { entry[name] = nil }
            #expect(Set(event.fields.keys) == Set(entry.keys))
            for (name, value) in entry {
                let ours = event.fields[name] as? NSObject
                #expect(ours == value as? NSObject, "\(name): \(ours ?? NSNull()), not \(value)")
            }
            #expect(event.known.cursor == entry["__CURSOR"] as? String)
            let time = try #require(
                (entry["__REALTIME_TIMESTAMP"] as? String).flatMap { Int($0) })
            let fraction = "\(1_000_000 + time % 1_000_000)".dropFirst()
            #expect(event.known.time.hasSuffix(".\(fraction)Z"))
            #expect(
                try Date(event.known.time.prefix(19) + "Z", strategy: .iso8601)
                    .timeIntervalSince1970 == Double(time / 1_000_000))
        }
        #expect(!log.runs.flatMap(\.lines).contains { $0.contains("\\/") })
    }

    @Test(
        "cut what is too long, and say so",
        .enabled(if: Surroundings.find("logger") != nil, "needs logger"))
    func longMessage() async throws {
        let place = try await JournalWorld()
        let log = try place.witness("Log", "match = { TEST = 'long' }\npattern = '^(?<begin>x+)'")
        try await place.start()
        try await place.box.run(
            """
            { printf 'TEST=long\\nOTHER=short\\nMESSAGE='
              head -c 716800 /dev/zero | tr '\\0' x
              echo; } | logger --journald
            """)
        let run = try await log.runs(1)[0]
        let event = try run.journalEvents[0]
        #expect(event.message.utf8.count == 65_536)
        #expect(event.known.truncated == ["MESSAGE"])
        #expect(event.fields["OTHER"] as? String == "short")
        #expect(run.message == Array(repeating: UInt8(ascii: "x"), count: 4096))
        #expect(run.captures["begin"]?.count == 4096)
        #expect(event.known.captures["begin"]?.bytes.count == 65_536)
        // No character is cut in two.
        try place.box.send(
            bytes: [
                ("TEST", Array("long".utf8)),
                ("MESSAGE", Array(("x" + String(repeating: "é", count: 40_000)).utf8)),
            ])
        let second = try await log.runs(2)[1].journalEvents[0]
        #expect(second.message.utf8.count == 65_535)
        #expect(second.known.truncated == ["MESSAGE"])
    }

    @Test("find the one module of hundreds whose entry came")
    func manyModules() async throws {
        let place = try await JournalWorld()
        let world = place.world
        for index in 0..<300 {
            try world.module(
                "M\(index)", check: "echo \"$CRD_MODULE $CRD_MESSAGE\" >>'\(world.notes)/hits'",
                manifest: "interval = 'off'\n"
                    + JournalWorld.trigger(
                        "match = { TOPIC = 'topic-\(index)', LEVEL = ['1', '2'] }"))
        }
        try await place.start()
        let wanted = stride(from: 7, to: 300, by: 31).map(\.self)
        for index in wanted {
            try place.box.send(["MESSAGE": "no", "TOPIC": "topic-\(index)", "LEVEL": "3"])
            try place.box.send(["MESSAGE": "no", "TOPIC": "topic-\(index + 300)", "LEVEL": "1"])
            try place.box.send(["MESSAGE": "yes", "TOPIC": "topic-\(index)", "LEVEL": "2"])
        }
        try await eventually("all have come") { world.notedLines("hits").count >= wanted.count }
        try await Task.sleep(for: .milliseconds(500))
        #expect(Set(world.notedLines("hits")) == Set(wanted.map { "M\($0) yes" }))
        #expect(world.notedLines("hits").count == wanted.count)
        #expect(try world.list().modules.map(\.runs).reduce(0, +) == wanted.count)
    }
}
