// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "A journald of a test's own", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournaldBoxTests {
    /// The texts of the entries that a test has sent.
    private func texts(_ box: JournaldBox) async throws -> [String] {
        try await box.entries().compactMap { $0["TEXT"] as? String }
    }

    @Test("takes what is sent, byte for byte, and tells who sent it")
    func sending() async throws {
        let box = try await JournaldBox()
        try box.send(["MESSAGE": "two\nlines", "TEXT": "a=b", "PRIORITY": "3"])
        let bytes = [UInt8](0...255)
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 300_000)
        try box.send(bytes: [("TEXT", Array("bytes".utf8)), ("BYTES", bytes), ("LONG", long)])
        let entries = try await box.entries().filter { $0["TEXT"] != nil }
        try #require(entries.count == 2)
        #expect(entries[0]["MESSAGE"] as? String == "two\nlines")
        #expect(entries[0]["TEXT"] as? String == "a=b")
        #expect(entries[0]["_PID"] as? String == "\(getpid())")
        #expect(entries[0]["_UID"] as? String == "0")
        #expect(entries[0]["_MACHINE_ID"] as? String == box.machineID)
        #expect(entries[1]["BYTES"] as? [Int] == bytes.map { Int($0) })
        #expect((entries[1]["LONG"] as? String)?.utf8.count == long.count)
    }

    @Test("takes whom it is told for the sender")
    func senders() async throws {
        let box = try await JournaldBox()
        try box.send(["TEXT": "init"], from: 1)
        try box.send(["TEXT": "nobody"], uid: 65534)
        let entries = try await box.entries().filter { $0["TEXT"] != nil }
        #expect(entries.map { $0["_PID"] as? String } == ["1", "\(getpid())"])
        #expect(entries.map { $0["_UID"] as? String } == ["0", "65534"])
    }

    @Test(
        "tells the unit", .enabled(if: PretendUnit.isPossible, "\(PretendUnit.needs)"))
    func units() async throws {
        let box = try await JournaldBox()
        let unit = try PretendUnit("flappy")
        try box.send(["TEXT": "one"], from: unit.pid)
        let program = try Program(
            unit.prefix + box.connectedPrefix
                + ["/bin/sh", "-c", "echo two >&2; journalctl --sync; exec sleep 1000000"],
            environment: World.environment, output: "/dev/null", errors: "/dev/null")
        try await eventually("both have come") {
            Processes.name(program.pid) == "sleep" || program.hasEnded
        }
        let entries = try await box.entries().filter { $0["_SYSTEMD_UNIT"] != nil }
        #expect(entries.map { $0["TEXT"] as? String } == ["one", nil])
        #expect(entries.map { $0["MESSAGE"] as? String } == [nil, "two"])
        for entry in entries {
            #expect(entry["_SYSTEMD_UNIT"] as? String == unit.name)
            #expect((entry["_SYSTEMD_CGROUP"] as? String)?.hasSuffix("/\(unit.name)") == true)
        }
    }

    @Test("sees nothing of another one")
    func apart() async throws {
        let boxes = try await [JournaldBox(), JournaldBox(.persistent)]
        for (index, box) in boxes.enumerated() { try box.send(["TEXT": "\(index)"]) }
        for (index, box) in boxes.enumerated() { #expect(try await texts(box) == ["\(index)"]) }
    }

    @Test("keeps all through restarts, rotation and a flush", arguments: 1...3)
    func lifecycle(round: Int) async throws {
        let box = try await JournaldBox(.unflushed)
        try box.send(["TEXT": "1"])
        try await box.sync()
        try await box.flush()
        try box.send(["TEXT": "2"])
        try await box.rotate()
        try box.send(["TEXT": "3"])
        try await box.restart()
        try box.send(["TEXT": "4"])
        try await box.sync()
        try await box.stop(SIGKILL)
        #expect(throws: Trouble.self) { try box.send(["TEXT": "lost"]) }
        try await box.start()
        try box.send(["TEXT": "5"])
        #expect(try await texts(box) == ["1", "2", "3", "4", "5"])
        #expect(try await box.run("ls /var/log/journal").contains(box.machineID))
        try await box.rotate()
        try await box.vacuum(keeping: 1)
        #expect(try await texts(box).count < 5)
    }

    @Test("obeys further lines of its configuration")
    func more() async throws {
        let box = try await JournaldBox(more: "MaxLevelStore=warning")
        try box.send(["TEXT": "info", "PRIORITY": "6"])
        try box.send(["TEXT": "warning", "PRIORITY": "4"])
        #expect(try await texts(box) == ["warning"])
    }

    @Test(
        "holds forged entries",
        .enabled(if: JournaldBox.canForge, "\(JournaldBox.needsForger)"),
        arguments: [JournaldBox.Storage.volatile, .persistent])
    func forging(storage: JournaldBox.Storage) async throws {
        let box = try await JournaldBox(storage)
        try box.send(["TEXT": "real"])
        let now = Date.now
        try await box.forge([
            ForgedEntry(["TEXT": "year", "_EXE": "/bin/x"], at: now - 365 * 86_400),
            ForgedEntry(["TEXT": "hour", "_PID": "1", "UNIT": "x.service"], at: now - 3_600),
        ])
        try await box.forge([ForgedEntry(["TEXT": "minute"], at: now - 60)])
        let entries = try await box.entries().filter { $0["TEXT"] != nil }
        #expect(
            entries.map { $0["TEXT"] as? String } == ["year", "hour", "minute", "real"])
        #expect(entries.first?["_EXE"] as? String == "/bin/x")
        #expect(entries.dropFirst().first?["_PID"] as? String == "1")
        let times = entries.compactMap {
            ($0["__REALTIME_TIMESTAMP"] as? String).flatMap(Double.init)
        }
        #expect(abs((times.first ?? 0) / 1e6 - (now.timeIntervalSince1970 - 365 * 86_400)) < 1)
    }

    @Test("loses nothing of a storm")
    func storm() async throws {
        let box = try await JournaldBox()
        for index in 0..<20_000 { try box.send(["TEXT": "\(index)"]) }
        try await box.sync()
        let count = try await box.run("journalctl --output=cat --output-fields=TEXT | wc -l")
        let last = try await box.run("journalctl --output=cat --output-fields=TEXT -n 1 TEXT=19999")
        #expect(last == "19999\n")
        #expect(Int(count.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0 >= 20_000)
    }

    @Test("is gone with all that was in it")
    func nothingIsLeft() async throws {
        var box: JournaldBox? = try await JournaldBox()
        let directory = try #require(box?.mounts.directory)
        let pid = try #require(box?.journald?.pid)
        // Not by the namespace's number, which the kernel soon gives to another test's namespace.
        let isInside = { (pid: pid_t) in
            let mounts = try? String(contentsOfFile: "/proc/\(pid)/mounts", encoding: .utf8)
            return mounts?.contains(directory) == true
        }
        #expect(Processes.all().filter(isInside) == [pid])
        // A watch keeps no mount. It ends with the file system, which ends with the namespace: when
        // neither a process nor a descriptor holds that.
        let inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        defer { close(inotify) }
        let layers = try #require(box?.mounts.path("\(directory)/layers"))
        #expect(inotify_add_watch(inotify, layers, UInt32(IN_DELETE_SELF)) >= 0)
        box = nil
        #expect(!Processes.exists(pid))
        #expect(access(directory, F_OK) != 0)
        #expect(Processes.mentioning(directory).isEmpty)
        #expect(!Processes.all().contains(where: isInside))
        try await eventually("its file systems have ended") {
            var event = inotify_event()
            return read(inotify, &event, MemoryLayout.size(ofValue: event)) > 0
                && event.mask & UInt32(IN_UNMOUNT) != 0
        }
    }
}
