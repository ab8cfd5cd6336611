// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Where the next daemon resumes reading the journal.
@Suite(
    "G8: of the journal", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalPositionTests {
    /// A module that is told of all that `send` sends.
    private func witness(_ place: JournalWorld, before: String = ":") throws -> Witness {
        try place.witness("Log", "match = { TEST = 'yes' }", before: before)
    }

    private func send(_ messages: String..., to place: JournalWorld) throws {
        for message in messages { try place.box.send(["MESSAGE": message, "TEST": "yes"]) }
    }

    /// Makes a check end only when this note is gone.
    private func hold(_ place: JournalWorld) -> String {
        "while [ -e '\(place.world.notes)/hold' ]; do sleep 0.01; done"
    }

    @Test("the first daemon reads what is logged from then on")
    func firstStart() async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        try send("old", "older", to: place)
        try await place.box.sync()
        try await place.start()
        try send("new", to: place)
        try await log.tells(["new"])
        try await log.expectNoMoreRuns(for: .milliseconds(300))
    }

    @Test("the first daemon that is killed at once has begun, all the same")
    func killedAtOnce() async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        try send("old", to: place)
        try await place.box.sync()
        try await place.start()
        try await place.world.stop(SIGKILL)
        try send("1", to: place)
        try await place.start()
        try await log.tells(["1"])
    }

    @Test("what was logged while no daemon ran is told to the next, and nothing twice")
    func whileDown() async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        try await place.start()
        try send("1", to: place)
        try await log.tells(["1"])
        try await log.state("idle")
        #expect(try await place.world.stop() == 0)
        try send("2", "3", to: place)
        try await place.start()
        try await log.tells(["1", "2", "3"])
        try send("4", to: place)
        try await log.tells(["1", "2", "3", "4"])
        try await log.state("idle")
        #expect(try await place.world.stop() == 0)
        try await place.start()
        try await log.expectNoMoreRuns(for: .milliseconds(500))
        #expect(place.said("warning") == 0 && place.said("error") == 0, "\(place.world.lines)")
    }

    @Test(
        "what a check had not ended with is told again, and what waited for it",
        arguments: [SIGTERM, SIGKILL])
    func duringCheck(signal: CInt) async throws {
        let place = try await JournalWorld()
        let log = try witness(place, before: hold(place))
        try await place.start()
        try send("1", to: place)
        try await log.tells(["1"])
        try await log.state("idle")
        try place.world.write("", to: "notes/hold")
        try send("2", to: place)
        try await log.state("checking")
        try send("3", to: place)
        try await eventually("it waits") { try place.world.listed("Log").pending == 1 }
        // Stored, but not as served.
        try await Task.sleep(for: .milliseconds(1_200))
        try await place.world.stop(signal)
        place.world.remove(note: "hold")
        rmdir("\(place.world.notes)/Log/now")
        try send("4", to: place)
        try await place.start()
        try await eventually("all are told") { try log.told.contains { $0.message == "4" } }
        #expect(try log.told.map(\.message) == ["1", "2", "3", "4"])
    }

    @Test("what came while a limit held a module back is told to it by the next daemon")
    func limited() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "match = { TEST = 'yes' }", more: "limit = '1/1h'", check: "exit 0")
        try await place.start()
        try send("1", to: place)
        try await log.tells(["1"])
        try await eventually("it has responded") { try place.world.listed("Log").responses == 1 }
        try send("2", to: place)
        try await eventually("it waits") {
            let module = try place.world.listed("Log")
            return module.state == "cooling" && module.pending == 1
        }
        try await log.expectNoMoreRuns(for: .milliseconds(300))
        #expect(try await place.world.stop() == 0)
        try await place.start()
        try await log.tells(["1", "2"])
    }

    @Test("a new module is told of nothing that was logged before it, others are of all")
    func newModule() async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        try await place.start()
        try await place.world.stop()
        try send("1", to: place)
        try await place.box.sync()
        let new = try place.witness("New", "match = { TEST = 'yes' }")
        let counting = try place.witness(
            "Counting", "match = { TEST = 'yes' }\ncount = 2\nwithin = '1h'")
        try await place.start()
        try send("2", to: place)
        try await log.tells(["1", "2"])
        try await new.tells(["2"])
        try send("3", to: place)
        try await counting.tells(["3"])
        #expect(try counting.told[0].known.entries?.count == 2)
    }

    @Test(
        "a module that was broken for a life is told of what it missed",
        arguments: ["check", "module.toml"])
    func brokenModule(file: String) async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        let other = try place.witness("Other", "match = { TEST = 'yes' }")
        let broken = "\(place.world.directory)/modules/Log/\(file)"
        try await place.start()
        try send("1", to: place)
        try await log.tells(["1"])
        for witness in [log, other] { try await witness.state("idle") }
        try await place.world.stop()
        // Others could change it.
        chmod(broken, 0o777)
        try send("2", to: place)
        try await place.start()
        try await log.state("failed")
        try send("3", to: place)
        try await other.tells(["1", "2", "3"])
        try await other.state("idle")
        try await place.world.stop()
        chmod(broken, 0o755)
        try await place.start()
        try await log.tells(["1", "2", "3"])
        try await other.expectNoMoreRuns(for: .milliseconds(300))
    }

    @Test("only what was logged while no daemon ran can be too old")
    func catchUp() async throws {
        let place = try await JournalWorld(more: "catch-up = '4s'")
        let log = try witness(place, before: hold(place))
        let counting = try place.witness(
            "Counting", "match = { TEST = 'yes' }\ncount = 3\nwithin = '1h'")
        try await place.start()
        try place.world.write("", to: "notes/hold")
        try send("seen", to: place)
        try await log.state("checking")
        try send("waiting", to: place)
        try await eventually("it waits") { try place.world.listed("Log").pending == 1 }
        try await place.world.stop(SIGKILL)
        place.world.remove(note: "hold")
        rmdir("\(place.world.notes)/Log/now")
        for index in 0..<5 { try send("missed \(index)", to: place) }
        try await Task.sleep(for: .seconds(5))
        try send("late", to: place)
        try await place.start()
        try await log.tells(["seen", "waiting", "late"])
        try await counting.tells(["late"])
        for name in ["Log", "Counting"] {
            let lines = place.world.lines.filter { $0.contains("\(name): skipped 5 matching") }
            #expect(lines.count == 1 && lines[0].hasPrefix("crd: warning: "), "\(lines)")
            #expect(lines.first?.contains("catch-up") == true)
        }
        // Entries that this daemon reads late are not too old.
        place.world.daemon?.send(SIGSTOP)
        try send("stopped", to: place)
        try await Task.sleep(for: .seconds(5))
        place.world.daemon?.send(SIGCONT)
        try await log.tells(["seen", "waiting", "late", "stopped"])
    }

    @Test("where the entry it stood at is gone, the daemon goes on by time")
    func vacuumed() async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        try await place.start()
        try send("1", to: place)
        try await log.tells(["1"])
        try await log.state("idle")
        try await place.world.stop()
        for index in 2...4 {
            try await place.box.rotate()
            try send("\(index)", to: place)
            // Otherwise journald might rotate before it reads the entry, and two share a file.
            try await place.box.sync()
        }
        try await place.box.vacuum(keeping: 2)
        let left = try await place.box.entries().filter { $0["TEST"] != nil }
        let messages = left.compactMap { $0["MESSAGE"] as? String }
        try #require(messages.count >= 1 && messages.count < 3 && !messages.contains("1"))
        try await place.start()
        try await log.tells(["1"] + messages)
        #expect(place.said("the journal no longer has the entry that crd read last") == 1)
        try send("5", to: place)
        try await log.tells(["1"] + messages + ["5"])
    }

    @Test(
        "a place that cannot be found keeps nobody from hearing, be it ahead of the clock",
        arguments: ["of another boot", "without a boot", "that was never a cursor"])
    func aheadOfClock(place kind: String) async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        try await place.start()
        try send("1", to: place)
        try await log.tells(["1"])
        try await log.state("idle")
        try await place.world.stop()
        let record = "\(place.world.directory)/state/daemon/journal.json"
        let contents = try JSONSerialization.jsonObject(
            with: Data(contentsOf: URL(fileURLWithPath: record)))
        var all = try #require(contents as? [String: Any])
        var read = try #require(all["read"] as? [String: Any])
        // A year ahead, as after a start with a wrong clock.
        read["time"] = Int64(Date.now.timeIntervalSince1970 + 31_557_600) * 1_000_000
        let other = String(repeating: "ab", count: 16)
        read["bootID"] = kind == "of another boot" ? other : ""
        read["cursor"] =
            kind == "that was never a cursor" ? "zzz" : "s=\(other);i=1;b=\(other);m=1;t=f;x=1"
        all["read"] = read
        try JSONSerialization.data(withJSONObject: all).write(to: URL(fileURLWithPath: record))
        try send("2", to: place)
        try await place.start()
        try send("3", to: place)
        try await eventually("both are told") {
            let messages = try log.told.map(\.message)
            return messages.contains("2") && messages.contains("3")
        }
        #expect(place.said("the journal no longer has the entry that crd read last") == 1)
    }

    @Test(
        "where the record is damaged, all that may have been missed is looked at again",
        arguments: ["", "{", "{\"read\":{}}", "garbage \u{0}", "[1]"])
    func damaged(text: String) async throws {
        let place = try await JournalWorld()
        let log = try witness(place)
        try await place.start()
        try send("1", "2", to: place)
        try await eventually("both are told") { try log.told.count == 2 }
        try await log.state("idle")
        try await place.world.stop()
        let record = "\(place.world.directory)/state/daemon/journal.json"
        #expect(access(record, F_OK) == 0)
        try place.world.write(text, to: "state/daemon/journal.json")
        try send("3", to: place)
        try await place.start()
        try await log.tells(["1", "2", "1", "2", "3"])
        let lines = place.world.lines.filter { $0.hasPrefix("crd: error: ") }
        #expect(lines.count == 1)
        #expect(lines.first?.contains("\(record).damaged") == true, "\(lines)")
        let kept = FileManager.default.contents(atPath: "\(record).damaged")
        #expect(kept == Data(text.utf8))
        // It works as before.
        try await log.state("idle")
        try await place.world.stop()
        try send("4", to: place)
        try await place.start()
        try await log.tells(["1", "2", "1", "2", "3", "4"])
    }

    @Test("no entry is without its check, whenever the daemon is killed", arguments: 0..<2)
    func killed(round: Int) async throws {
        let place = try await JournalWorld(journald: "RuntimeMaxUse=200M")
        let world = place.world
        let each = try Patient("Each", "pattern = '.'", in: world)
        let counting = try Patient("Counting", "count = 5\nwithin = '1h'", in: world)
        try await place.start()
        /// Each store makes a new file of positions.
        func record() -> UInt64 {
            var status = stat()
            return stat("\(world.directory)/state/daemon/journal.json", &status) == 0
                ? UInt64(status.st_ino) : 0
        }
        var sent = 0
        var matching: [String] = []
        for life in 0..<10 {
            func send() async throws {
                for _ in 0..<20 {
                    if sent % 10 == 0 { matching.append("\(sent)") }
                    try place.box.send(
                        ["MESSAGE": "\(sent)", "TEST": sent % 10 == 0 ? "yes" : "no"])
                    sent += 1
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...40)))
            }
            // Every other kill comes soon after positions were stored, with checks at work or not.
            if life % 2 == 0 {
                // What is stored at the start is no more than was stored before.
                for _ in 0..<20 { try await send() }
                let old = record()
                try await eventually("positions are stored", every: .zero) {
                    try await send()
                    return record() != old
                }
            }
            for _ in 0..<Int.random(in: 0...8) { try await send() }
            try await world.stop(SIGKILL)
            // Some are killed before they are ready.
            try world.launch(place.prefix)
        }
        try await eventually("each has had its check") {
            Set(try each.events.map(\.message)).isSuperset(of: matching)
        }
        let cursors = try await place.box.entries().filter { $0["TEST"] as? String == "yes" }
            .compactMap { $0["__CURSOR"] as? String }
        try #require(cursors.count == matching.count)
        // Each fifth, with the four before it: as without any kill.
        let expected = stride(from: 5, through: cursors.count, by: 5).map {
            Array(cursors[($0 - 5)..<$0])
        }
        func counted() throws -> Set<[String]> {
            Set(try counting.events.map { $0.known.entries?.map(\.cursor) ?? [] })
        }
        try await eventually("each five have had their check") {
            try counted().isSuperset(of: expected.suffix(1))
        }
        #expect(try counted() == Set(expected))
    }

    /// A module whose checks take their time. It keeps what a check was told only if that check
    /// ended.
    private struct Patient {
        let notes: String

        init(_ name: String, _ keys: String, in world: World) throws {
            notes = try world.makeDirectory("notes/\(name)")
            chmod(notes, 0o777)
            try world.module(
                name,
                check: """
                    file=$(mktemp '\(notes)/.XXXXXXXX')
                    cat "$CRD_EVENTS" >"$file"
                    sleep "0.$(($(date +%N | cut -c1) / 2))"
                    mv "$file" "$file.done"
                    exit 1
                    """,
                manifest: "interval = 'off'\ncooldown = '0s'\n"
                    + JournalWorld.trigger("match = { TEST = 'yes' }\n\(keys)"))
        }

        var events: [Witness.JournalEvent] {
            get throws {
                try FileManager.default.contentsOfDirectory(atPath: notes)
                    .filter { $0.hasSuffix(".done") }.flatMap { file in
                        let data = FileManager.default.contents(atPath: "\(notes)/\(file)")
                        return try String(decoding: data ?? Data(), as: UTF8.self)
                            .split(separator: "\n").map { try Witness.JournalEvent(String($0)) }
                    }
            }
        }
    }
}
