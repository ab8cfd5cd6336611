// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "What happens to a journal:", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalLifeTests {
    /// A daemon and a module that is told of all that `send` sends.
    private final class Reading {
        let place: JournalWorld
        let log: Witness
        private(set) var sent: [String] = []

        init(_ place: JournalWorld) throws {
            self.place = place
            log = try place.witness("Log", "match = { TEST = 'yes' }")
        }

        func send(_ count: Int = 1) throws {
            for _ in 0..<count {
                sent.append("\(sent.count)")
                try place.box.send(["MESSAGE": "\(sent.count - 1)", "TEST": "yes"])
            }
        }

        /// Sends an entry; waits until it and all earlier ones are told, each once.
        func expectHeard(sourceLocation: SourceLocation = #_sourceLocation) async throws {
            try send()
            try await log.tells(sent, sourceLocation: sourceLocation)
        }
    }

    @Test("rotated and vacuumed while 20,000 entries are written, none is missed")
    func rotationStorm() async throws {
        let reading = try Reading(try await JournalWorld())
        let box = reading.place.box
        try await reading.place.start()
        for round in 0..<10 {
            for index in 0..<2_000 {
                if index % 50 == 0 { try reading.send() }
                try box.send(["MESSAGE": "\(index)", "TEST": "no"])
            }
            try await box.rotate()
            // Entries not read yet would be lost with their file.
            guard round % 3 == 2 else { continue }
            try await reading.expectHeard()
            try await box.vacuum(keeping: 1)
        }
        try await reading.expectHeard()
        #expect(reading.sent.count == 404)
    }

    @Test("rotated while nobody writes", arguments: ["auto", "notify"])
    func rotatedIdle(wake: String) async throws {
        let reading = try Reading(
            try await JournalWorld(.persistent, more: "journal-wake = '\(wake)'"))
        try await reading.place.start()
        for _ in 0..<3 {
            try await reading.expectHeard()
            try await reading.place.box.rotate()
            try await Task.sleep(for: .milliseconds(300))
            try await reading.expectHeard()
            try await reading.place.box.vacuum(keeping: 1)
        }
        try await reading.expectHeard()
    }

    @Test("moved to the disk, it is read on there", arguments: ["auto", "notify"])
    func flushed(wake: String) async throws {
        let reading = try Reading(
            try await JournalWorld(.unflushed, more: "journal-wake = '\(wake)'"))
        let (place, log) = (reading.place, reading.log)
        try await place.start()
        try await reading.expectHeard()
        try reading.send(3)
        try await place.box.flush()
        try await reading.expectHeard()
        try await Task.sleep(for: .milliseconds(500))
        try await reading.expectHeard()
        try await log.state("idle")
        // And by the next daemon.
        try await place.world.stop()
        try reading.send()
        try await place.start()
        try await log.tells(reading.sent)
        #expect(place.said("error") == 0, "\(place.world.lines)")
    }

    @Test("moved to the disk while no daemon runs, it is read on there")
    func flushedWhileDown() async throws {
        let reading = try Reading(try await JournalWorld(.unflushed))
        let (place, log) = (reading.place, reading.log)
        // It is held back, so that it has a position of its own.
        let other = try place.witness("Other", "match = { TEST = 'yes' }", more: "settle = '1s'")
        try await place.start()
        try await reading.expectHeard()
        try await log.state("idle")
        try await place.world.stop()
        try reading.send(2)
        try await place.box.flush()
        try reading.send(2)
        try await place.start()
        try await log.tells(reading.sent)
        try await other.tells(reading.sent)
    }

    @Test("moved to a directory that was not there, and again to another, it is read on there")
    func directoryMade() async throws {
        let reading = try Reading(try await JournalWorld(.unflushed))
        let (place, box) = (reading.place, reading.place.box)
        try await box.run("mount -t tmpfs -o mode=755 tmpfs /var/log")
        try await place.start()
        try await reading.expectHeard()
        for round in 0..<2 {
            #expect(try await box.run("ls /var/log").isEmpty)
            try await box.flush()
            try await reading.expectHeard()
            try await reading.log.state("idle")
            try await reading.expectHeard()
            #expect(try await box.run("ls /var/log/journal").contains(box.machineID))
            // The entry was there, in another file. What is removed now is not, unless reading had
            // moved to the new file before.
            #expect(place.said("no longer has the entry") <= round, "\(place.world.lines)")
            try await box.stop()
            try await box.run("rm -r /var/log/journal; rm -f /run/systemd/journal/flushed")
            try await box.start()
            try await reading.expectHeard()
        }
    }

    @Test("its directory removed and made anew, it is read on in the new one")
    func directoryRemoved() async throws {
        let reading = try Reading(try await JournalWorld(.persistent))
        let (place, box) = (reading.place, reading.place.box)
        try await place.start()
        try await reading.expectHeard()
        try await box.run("rm -r '\(box.files)'")
        try await box.restart()
        try await reading.expectHeard()
        try await box.stop()
        try await box.run("rm -r /var/log/journal/*")
        try await Task.sleep(for: .milliseconds(300))
        try await box.start()
        try await reading.expectHeard()
        #expect(try place.world.listed("Log").state != "degraded")
    }

    @Test("its directory made anew while the former one is open, it is read on in the new one")
    func directoryRemovedWhileOpen() async throws {
        let reading = try Reading(try await JournalWorld(.persistent))
        let (place, box) = (reading.place, reading.place.box)
        try await place.start()
        try await reading.expectHeard()
        // The kernel tells of a directory's end when the last who has it open closes it.
        let former = open(box.mounts.path(box.files), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #expect(former >= 0)
        try await box.run("rm -r '\(box.files)'")
        try await box.restart()
        try await reading.expectHeard()
        close(former)
        try await reading.expectHeard()
        // The files of which libsystemd knows are not all that will be.
        try await box.rotate()
        try await reading.expectHeard()
        try await box.rotate()
        try await reading.expectHeard()
        #expect(try place.world.listed("Log").state != "degraded")
    }

    @Test("with broken files beside it, the good ones are read")
    func corruptFiles() async throws {
        let reading = try Reading(try await JournalWorld())
        let (place, box) = (reading.place, reading.place.box)
        try await place.start()
        try await reading.expectHeard()
        try await box.rotate()
        let garbage = """
            set -- '\(box.files)'/system@*-*.journal
            head -c 9000 "$1" >'\(box.files)/system@cut.journal'
            head -c 300000 /dev/urandom >'\(box.files)/system@random.journal'
            : >'\(box.files)/system@empty.journal'
            head -c 100 "$1" >'\(box.files)/user-1000.journal'
            mkdir '\(box.files)/system@directory.journal'
            ln -s nowhere '\(box.files)/system@link.journal'
            """
        try await box.run(garbage)
        try await reading.expectHeard()
        try await box.rotate()
        try await reading.expectHeard()
        try await reading.log.state("idle")
        try await place.world.stop()
        try reading.send()
        try await place.start()
        try await reading.expectHeard()
        #expect(try place.world.listed("Log").state != "degraded")
    }

    @Test("a file damaged in the middle costs its own entries and no others")
    func damagedFile() async throws {
        let reading = try Reading(try await JournalWorld())
        let (place, box, log) = (reading.place, reading.place.box, reading.log)
        try await place.start()
        try await reading.expectHeard()
        try await log.state("idle")
        try await place.world.stop()
        for index in 0..<2_000 {
            try box.send(["MESSAGE": "lost \(index)", "TEST": index % 100 == 0 ? "yes" : "no"])
        }
        try await box.sync()
        try await box.rotate()
        // Objects in the middle of the file, and the links to later ones.
        try await box.run(
            """
            file=$(ls -t '\(box.files)'/system@*-*.journal | head -n 1)
            size=$(stat -c %s "$file")
            head -c $((size / 2)) /dev/urandom |
                dd of="$file" bs=1 seek=$((size / 4)) conv=notrunc iflag=fullblock bs=64K oflag=seek_bytes
            """)
        try reading.send(2)
        try await place.start()
        try await eventually("those behind it are told") {
            try log.told.map(\.message).suffix(2) == reading.sent.suffix(2)
        }
        try reading.send()
        try await eventually("and what comes then") {
            try log.told.last?.message == reading.sent.last
        }
        try await log.state("idle")
    }

    @Test(
        "not to be read, its modules are degraded, are polled, and hear again when it can be",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func noPermission() async throws {
        let place = try await JournalWorld()
        for name in ["state", "run"] {
            chown(try place.world.makeDirectory(name), 65534, 65534)
        }
        let timed = try Witness(
            "Timed", in: place.world,
            manifest: JournalWorld.trigger("match = { TEST = 'yes' }"))
        let deaf = try place.witness("Deaf", "match = { TEST = 'yes' }")
        try await place.box.run("chmod -R o-rwx /run/log/journal/*")
        try await place.start(Surroundings.asNobody)
        for name in ["Timed", "Deaf"] {
            try await eventually("\(name) is degraded") {
                try place.world.listed(name).state == "degraded"
            }
            let reason = try place.world.listed(name).reason ?? ""
            #expect(reason.contains("SupplementaryGroups=systemd-journal"), "\(reason)")
            #expect(reason.contains("/run/log/journal/\(place.box.machineID)"), "\(reason)")
        }
        let told = place.world.lines.filter { $0.contains("SupplementaryGroups=") }
        #expect(told.count == 2)
        #expect(told.contains { $0.hasPrefix("crd: error: Deaf: deaf: ") }, "\(told)")
        // Nothing of it is forgotten.
        try place.box.send(["MESSAGE": "meanwhile", "TEST": "yes"])
        #expect(try await timed.runs(2).prefix(2).map(\.trigger) == ["start", "interval"])
        try await place.box.run("chmod -R o+rX /run/log/journal/*")
        try await deaf.tells(["meanwhile"])
        for witness in [timed, deaf] { try await witness.state("idle") }
        #expect(try place.world.listed("Deaf").reason == nil)
        #expect(place.said("Deaf: all its triggers are watched again") == 1)
        try place.box.send(["MESSAGE": "then", "TEST": "yes"])
        try await deaf.tells(["meanwhile", "then"])
        #expect(place.said("SupplementaryGroups=") == 2)
    }

    @Test(
        "no longer to be read since it was rotated, its modules are degraded until it can be",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"))
    func permissionLost() async throws {
        let place = try await JournalWorld()
        for name in ["state", "run"] {
            chown(try place.world.makeDirectory(name), 65534, 65534)
        }
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        let allow = "chmod -R o+rX /run/log/journal/*"
        try await place.box.run(allow)
        try await place.start(Surroundings.asNobody)
        try place.box.send(["MESSAGE": "1", "TEST": "yes"])
        try await log.tells(["1"])
        // Only root can read the new file.
        try await place.box.rotate()
        try place.box.send(["MESSAGE": "2", "TEST": "yes"])
        try await log.state("degraded")
        let reason = try place.world.listed("Log").reason ?? ""
        #expect(reason.contains("SupplementaryGroups=systemd-journal"), "\(reason)")
        #expect(reason.contains("/system.journal'"), "\(reason)")
        try await place.box.run(allow)
        try await log.tells(["1", "2"])
        try await log.state("idle")
    }

    @Test("not there when the daemon starts, it is read when it is", arguments: ["auto", "notify"])
    func startedLater(wake: String) async throws {
        let reading = try Reading(try await JournalWorld(more: "journal-wake = '\(wake)'"))
        let (place, box, log) = (reading.place, reading.place.box, reading.log)
        try await box.stop()
        try await box.run("rm -r /run/log/journal/*")
        try await place.start()
        try await log.state("degraded")
        #expect(
            try place.world.listed("Log").reason?.contains("is systemd-journald running?") == true)
        try await box.start()
        try reading.send()
        try await log.tells(reading.sent)
        try await log.state("idle")
        try await reading.expectHeard()
    }

    @Test(
        "kept by nobody, it is as good as none: its modules are degraded until it is kept again",
        arguments: ["auto", "notify", "20ms"])
    func storageNone(wake: String) async throws {
        let reading = try Reading(try await JournalWorld(more: "journal-wake = '\(wake)'"))
        let (place, box, log) = (reading.place, reading.place.box, reading.log)
        try reading.send()
        let configuration = "/run/systemd/journald.conf.d/zzz.conf"
        try await box.run("sed -i s/Storage=volatile/Storage=none/ \(configuration)")
        try await box.restart()
        // Its earlier files are there, and are read in vain.
        try await place.start()
        try await log.state("degraded")
        let reason = try place.world.listed("Log").reason ?? ""
        #expect(reason.contains("Storage=persistent"), "\(reason)")
        #expect(place.said("crd: error: Log: deaf: systemd-journald, process ") == 1)
        try await box.run("sed -i s/Storage=none/Storage=volatile/ \(configuration)")
        try await box.restart()
        try reading.send()
        try await eventually("what comes then is told") {
            try log.told.last?.message == reading.sent.last
        }
        try await log.state("idle")
        #expect(place.said("Log: deaf: ") == 1)
    }

    @Test(
        "gone for more than five seconds, its modules are degraded until it is back",
        arguments: ["auto", "notify", "20ms"])
    func journaldGone(wake: String) async throws {
        let reading = try Reading(try await JournalWorld(more: "journal-wake = '\(wake)'"))
        let (place, box, log) = (reading.place, reading.place.box, reading.log)
        try await place.start()
        try reading.send()
        try await log.tells(reading.sent)
        try await log.state("idle")
        try await box.stop()
        try await log.state("degraded")
        let reason = try place.world.listed("Log").reason ?? ""
        #expect(reason.contains("systemctl start systemd-journald"), "\(reason)")
        try await box.start()
        try reading.send()
        try await log.tells(reading.sent)
        try await log.state("idle")
    }

    @Test("another machine's, as in a container without its host's ID, the remedy is told")
    func machineID() async throws {
        let reading = try Reading(try await JournalWorld())
        let (place, box, log) = (reading.place, reading.place.box, reading.log)
        let other = String(repeating: "a", count: 32)
        try await box.run(
            "echo \(other) >/run/systemd/other-id; mount --bind /run/systemd/other-id /etc/machine-id"
        )
        try await place.start()
        try await log.state("degraded")
        let reason = try place.world.listed("Log").reason ?? ""
        #expect(reason.contains("/etc/machine-id must also be the host's"), "\(reason)")
        #expect(reason.contains(box.machineID) && reason.contains(other), "\(reason)")
        try await box.run("umount /etc/machine-id")
        try await log.state("idle")
        try reading.send()
        try await log.tells(reading.sent)
    }

    @Test(
        "the clock set back, entries are told and none is lost over a restart",
        .enabled(if: JournaldBox.canForge, "\(JournaldBox.needsForger)"),
        arguments: [SIGTERM, SIGKILL])
    func clockSetBack(signal: CInt) async throws {
        let place = try await JournalWorld()
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        let counting = try place.witness(
            "Counting", "match = { TEST = 'yes' }\ncount = 2\nwithin = '10min'")
        /// Forges what journald would write after the clock was set back.
        func forge(_ message: String, hoursBack: Double) async throws {
            let back = hoursBack * 3_600
            try await place.box.forge([
                ForgedEntry(["MESSAGE": message, "TEST": "yes"], at: .now - back, setBack: back)
            ])
        }
        try await place.start()
        try await forge("1", hoursBack: 0)
        try await log.tells(["1"])
        try await forge("2", hoursBack: 3)
        try await log.tells(["1", "2"])
        try await forge("3", hoursBack: 3)
        // By the calendar they are hours apart, by the monotonic clock they are not.
        try await counting.tells(["2"])
        try await log.tells(["1", "2", "3"])
        try await log.state("idle")
        try await Task.sleep(for: .milliseconds(1_500))
        try await place.world.stop(signal)
        try await forge("4", hoursBack: 3)
        try await place.start()
        // With several files, libsystemd seeks by time, and returns some entries again.
        try await eventually("it is told") { try log.told.last?.message == "4" }
        try await forge("5", hoursBack: 3)
        try await eventually("it is told") { try log.told.last?.message == "5" }
    }
}
