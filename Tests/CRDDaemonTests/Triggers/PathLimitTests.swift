// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A daemon in a user namespace with limits of its own, so that no other test meets them.
@Suite(
    "G9: where inotify's limits are reached,", .takesTurns,
    .enabled(if: Surroundings.hasNamespaces, "\(Surroundings.needsNamespaces)"))
struct PathLimitTests {
    /// A daemon that may watch 50 directories, with a tree of 200.
    private final class Forest {
        let world: World
        let tree: String
        let log: Witness
        let daemon: Program
        /// A directory that is not watched.
        private(set) var unwatched = ""

        /// - Parameter interval: the module's.
        init(interval: String) async throws {
            world = try World()
            tree = try world.makeDirectory("tree")
            for index in 0..<200 { try world.makeDirectory("tree/\(index)") }
            log = try Witness(
                "Tree", in: world,
                manifest: "interval = '\(interval)'\nwatches-max = 1000\n"
                    + PathTests.trigger(tree, "recursive = true\nevents = ['create']"),
                check: "[ -n \"$(find '\(tree)' -name wanted)\" ]",
                response: "find '\(tree)' -name wanted -delete")
            daemon = try await world.start(
                Namespace.user.entering(PathLimitTests.limit("watches", 50)))
            let watched = Self.watchedInodes(of: daemon)
            #expect(watched.count <= 50)
            var inner = (0..<200).map { "\(tree)/\($0)" }
            inner.removeAll { watched.contains(Self.inode($0)) }
            unwatched = try #require(inner.first)
        }

        /// The watched inodes according to /proc (proc_pid_fdinfo(5)).
        private static func watchedInodes(of daemon: Program) -> Set<UInt64> {
            var inodes: Set<UInt64> = []
            for (number, target) in Processes.descriptors(of: daemon.pid)
            where target.contains("inotify") {
                let file = "/proc/\(daemon.pid)/fdinfo/\(number)"
                let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
                for match in text.matches(of: #/ino:([0-9a-f]+)/#) {
                    inodes.insert(UInt64(match.1, radix: 16) ?? 0)
                }
            }
            return inodes
        }

        private static func inode(_ path: String) -> UInt64 {
            var status = stat()
            return stat(path, &status) == 0 ? UInt64(status.st_ino) : 0
        }

        /// Removes what is in the way, but not the directory that a test looks at.
        func fell() throws {
            for index in 0..<200 where "\(tree)/\(index)" != unwatched && index % 10 != 0 {
                try FileManager.default.removeItem(atPath: "\(tree)/\(index)")
            }
        }

        /// Waits until all is watched again, and expects a report of it that is true.
        func expectHealed() async throws {
            try await log.state("idle")
            #expect(try world.listed("Tree").reason == nil)
            #expect(told("crd: Tree: all its triggers are watched again") == 1)
            let count = log.runs.count
            try PathTests.create("\(unwatched)/healed")
            let runs = try await log.runs(count + 1)
            #expect(runs[count].trigger == "path")
            #expect(runs[count].path == Array("\(unwatched)/healed".utf8))
            try await log.expectNoMoreRuns(for: .seconds(6))
        }

        func told(_ text: String) -> Int {
            world.lines.filter { $0.contains(text) }.count
        }
    }

    /// A shell command that sets a limit of the namespace it runs in (namespaces(7)).
    private static func limit(_ what: String, _ value: Int) -> String {
        "echo \(value) >/proc/sys/user/max_inotify_\(what)"
    }

    enum Relief: String, CaseIterable, CustomTestStringConvertible {
        case raisedLimit = "the limit is raised"
        case fewerDirectories = "directories are removed"
        var testDescription: String { rawValue }
    }

    @Test(
        "a module is polled, says why, and hears again when it can", arguments: Relief.allCases)
    func polled(relief: Relief) async throws {
        let forest = try await Forest(interval: "1h")
        let (world, log) = (forest.world, forest.log)
        try await log.runs(1)
        try await log.state("degraded")
        let reason = try world.listed("Tree").reason ?? ""
        #expect(reason.contains("inotify_add_watch '\(world.directory)"), "\(reason)")
        #expect(reason.contains("raise the sysctl fs.inotify.max_user_watches"), "\(reason)")
        let outcome = try await world.crd(["list", "--json"])
        #expect(outcome.output.contains("\"state\" : \"degraded\""))
        #expect(outcome.output.contains("fs.inotify.max_user_watches"))

        let wanted = "\(forest.unwatched)/wanted"
        try PathTests.create(wanted)
        try await eventually("it is dealt with") { access(wanted, F_OK) != 0 }
        #expect(try log.events.allSatisfy { $0.path.text != wanted })
        #expect(log.runs.contains { $0.trigger == "interval" })
        try await log.runs(log.runs.count + 1)
        try await log.state("degraded")
        #expect(forest.told("fs.inotify.max_user_watches") == 1)
        #expect(forest.told("crd: warning: Tree: inotify_add_watch ") == 1)

        switch relief {
        case .raisedLimit:
            let raise = Self.limit("watches", 1000)
            #expect(try await Namespace.user.run(raise, of: forest.daemon, in: world) == 0)
        case .fewerDirectories: try forest.fell()
        }
        try await forest.expectHealed()
        #expect(forest.told("fs.inotify.max_user_watches") == 1)
    }

    @Test("a module that wants no timer is called deaf, and checked when it hears again")
    func deaf() async throws {
        let forest = try await Forest(interval: "off")
        let (world, log) = (forest.world, forest.log)
        try await log.runs(1)
        try await log.state("degraded")
        #expect(forest.told("crd: error: Tree: deaf: inotify_add_watch ") == 1)
        #expect(
            world.lines.contains { $0.contains("raise the sysctl fs.inotify.max_user_watches") })

        let wanted = "\(forest.unwatched)/wanted"
        try PathTests.create(wanted)
        try await log.expectNoMoreRuns(for: .seconds(8))
        #expect(access(wanted, F_OK) == 0)
        #expect(forest.told("deaf:") == 1)

        let raise = Self.limit("watches", 1000)
        #expect(try await Namespace.user.run(raise, of: forest.daemon, in: world) == 0)
        try await eventually("what was missed is dealt with") { access(wanted, F_OK) != 0 }
        #expect(try await log.runs(2)[1].trigger == "start")
        try await forest.expectHealed()
    }

    /// What a daemon may lack, and the message then.
    struct Want: Sendable, CustomTestStringConvertible {
        var what: String
        var call: String
        var setting: String
        /// How many operations on the modules' own files fail for lack of it.
        var reasons: Int
        var testDescription: String { "no \(what)" }

        static let all = [
            Want(
                what: "instances", call: "inotify_init1", setting: "max_user_instances", reasons: 1),
            Want(
                what: "watches", call: "inotify_add_watch", setting: "max_user_watches", reasons: 2),
        ]
    }

    @Test("also at once and for all, the daemon runs, and watches when it can", arguments: Want.all)
    func nothingAtAll(want: Want) async throws {
        let world = try World()
        let data = try world.makeDirectory("data")
        let witnesses = try ["A", "B"].map {
            try Witness($0, in: world, manifest: PathTests.trigger(data, "events = ['create']"))
        }
        let deaf = try Witness(
            "Deaf", in: world, manifest: "interval = 'off'\n" + PathTests.trigger(data))
        let timed = try Witness("Timed", in: world, manifest: "")
        let daemon = try await world.start(Namespace.user.entering(Self.limit(want.what, 0)))
        func told(_ text: String) -> Int { world.lines.filter { $0.contains(text) }.count }
        for witness in witnesses + [deaf] {
            try await witness.runs(1)
            try await witness.state("degraded")
            let reason = try world.listed(witness.name).reason
            #expect(reason?.contains(want.call) == true, "\(reason ?? "")")
            #expect(reason?.contains("raise the sysctl fs.inotify.\(want.setting)") == true)
        }
        try await timed.state("idle")
        for witness in witnesses { #expect(try await witness.runs(2)[1].trigger == "interval") }
        #expect(deaf.runs.count == 1)
        #expect(told("crd: warning: A: \(want.call)") == 1)
        #expect(told("crd: error: Deaf: deaf: \(want.call)") == 1)

        let raise = Self.limit(want.what, 100)
        #expect(try await Namespace.user.run(raise, of: daemon, in: world) == 0)
        for witness in witnesses + [deaf] {
            try await witness.state("idle")
            #expect(told("\(witness.name): all its triggers are watched again") == 1)
        }
        try PathTests.create("\(data)/file")
        for witness in witnesses + [deaf] {
            try await eventually("\(witness.name) sees it") {
                try witness.events.contains { $0.path.text == "\(data)/file" }
            }
        }
        // The modules' own files are watched too.
        let files = "modules are checked for changes every 5s"
        #expect(told(files) == want.reasons)
        #expect(told("changes to modules are again noticed at once") == 1)
        #expect(told(want.call) == 3 + want.reasons)
        #expect(timed.runs.count == 1)
    }
}
