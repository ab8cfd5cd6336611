// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "The daemon's own journal entries", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"))
struct JournalOwnTests {
    /// Daemons whose log and whose modules' output are in the journal they read.
    private func start(_ place: JournalWorld, in cgroup: ScratchCgroup? = nil) async throws {
        try await place.world.start((cgroup?.prefix ?? []) + place.box.connectedPrefix)
    }

    @Test("and its modules' output trigger nothing, whatever the pattern")
    func ownOutput() async throws {
        let place = try await JournalWorld()
        let log = try Witness(
            "Log", in: place.world,
            manifest: "cooldown = '0s'\nlimit = 'off'\n" + JournalWorld.trigger("pattern = '.'"),
            before: "echo 'check says' >&2", check: "exit 0",
            response: "echo 'response prints'; echo '<3>response says' >&2")
        try await start(place)
        try await log.runs(1)
        // Entries of journald and journalctl count as others'.
        try await place.box.sync()
        try await place.box.rotate()
        try place.box.send(["MESSAGE": "somebody else's"])
        try await eventually("it is told") {
            try log.told.contains { $0.message == "somebody else's" }
        }
        try await eventually("nothing happens any more") {
            let count = log.runs.count
            try await Task.sleep(for: .seconds(1))
            return log.runs.count == count
        }
        try await log.expectNoMoreRuns()
        let shown = try await place.box.entries().compactMap { $0["MESSAGE"] as? String }
        for text in ["check says", "response prints", "response says", "started version"] {
            #expect(shown.contains { $0.contains(text) }, "\(text)")
        }
        let told = try log.told.map(\.message)
        #expect(!told.contains { $0.contains("check says") || $0.contains("response") })
        #expect(!told.contains { $0.contains("started version") || $0.contains("Log: ") })
    }

    @Test("are told by what journald knows: nobody can make his own look like them")
    func forgedFields() async throws {
        let place = try await JournalWorld()
        let log = try place.witness("Log", "field = 'TEST'\npattern = '.'")
        try await start(place)
        let pid = try #require(place.world.daemon?.pid)
        let fields: [KeyValuePairs<String, String>] = [
            [
                "TEST": "1", "MESSAGE": "1", "CRD_MODULE": "Log", "CRD_RUN": "x",
                "CRD_ROLE": "check",
            ],
            ["TEST": "2", "MESSAGE": "2", "SYSLOG_IDENTIFIER": "crd", "SYSLOG_PID": "\(pid)"],
            ["TEST": "3", "MESSAGE": "3", "_PID": "\(pid)", "_EXE": Binary.path, "_UID": "0"],
            ["TEST": "4", "MESSAGE": "4", "OBJECT_PID": "\(pid)", "COREDUMP_EXE": Binary.path],
        ]
        for fields in fields { try place.box.send(fields) }
        try await log.tells(["1", "2", "3", "4"])
        // Nor in the daemon's name, by a user who may not take it.
        try place.box.send(["TEST": "5", "MESSAGE": "5"], uid: 65534)
        try await log.tells(["1", "2", "3", "4", "5"])
        try place.box.send(["TEST": "6", "MESSAGE": "6"], from: pid)
        try place.box.send(["TEST": "7", "MESSAGE": "7"])
        try await log.tells(["1", "2", "3", "4", "5", "7"])
    }

    /// A check's own log entry, from a process that lives until journald knows who it is.
    private func child(in world: World) -> String {
        "{ echo 'child says'; until [ -e '\(world.notes)/asked' ]; do sleep 0.05; done; } | logger --tag child"
    }

    @Test(
        "do not include what a module's child logs by itself, where it is in no cgroup of ours",
        .enabled(
            if: Surroundings.isInRootCgroup && Surroundings.find("logger") != nil,
            "needs to be in the root cgroup, and logger"))
    func childsOwn() async throws {
        let place = try await JournalWorld()
        let log = try place.witness(
            "Log", "match = { SYSLOG_IDENTIFIER = 'child' }",
            before: "[ \"$CRD_TRIGGER\" = journal ] || \(child(in: place.world))")
        try place.world.module(
            "Child", check: child(in: place.world), manifest: "interval = '1h'")
        try await start(place)
        try await log.tells(["child says"])
        try place.world.write("", to: "notes/asked")
    }

    @Test(
        "include all that comes from a cgroup of its own",
        .enabled(
            if: DelegatedCgroup.isPossible && PretendUnit.isPossible
                && Surroundings.find("logger") != nil,
            "needs root, a cgroup2 whose cgroups can be delegated, and logger"))
    func ownCgroup() async throws {
        let place = try await JournalWorld()
        let cgroup = try DelegatedCgroup()
        let log = try place.witness("Log", "match = { SYSLOG_IDENTIFIER = 'child' }")
        try place.world.module("Child", check: child(in: place.world))
        try await start(place, in: cgroup)
        try await eventually("it is in the journal") {
            try await place.box.entries().contains { $0["MESSAGE"] as? String == "child says" }
        }
        try place.world.write("", to: "notes/asked")
        try await place.world.runs(1, of: "Child")
        try await log.expectNoMoreRuns(for: .milliseconds(500))
        // Neither a neighbour's, nor one from a cgroup whose name begins alike.
        let sibling = try ScratchCgroup("\(cgroup.path.split(separator: "/").last ?? "")-more")
        let program = try Program(
            sibling.prefix + ["/bin/sleep", "1000000"], environment: World.environment,
            output: "/dev/null", errors: "/dev/null")
        try await eventually("it is there") { Processes.name(program.pid) == "sleep" }
        try place.box.send(
            ["MESSAGE": "sibling", "SYSLOG_IDENTIFIER": "child"], from: program.pid)
        try await log.tells(["sibling"])
    }
}
