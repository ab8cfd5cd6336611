// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: a user who may change a watched place learns nothing by it and takes nothing from others.
@Suite(
    "G15: Somebody who owns a path that is watched", .takesTurns,
    .enabled(if: Attacker.isPossible, "\(Attacker.needs)"))
struct PathOwnerTests {
    private let user = "uucp"
    private let world: World
    private let home: String

    init() throws {
        world = try World(interval: "300ms")
        home = try world.makeDirectory("home")
        Attacker.give(home, to: user)
    }

    private func watch(_ path: String, _ more: String = "", manifest: String = "") throws {
        try world.module(
            "Watch", check: "cat \"$CRD_EVENTS\" >>'\(world.notes)/told'; exit 1",
            manifest: """
                cooldown = "0s"
                \(manifest)
                [[trigger.path]]
                path = "\(path)"
                \(more)
                """)
    }

    private func act(_ script: String) async throws {
        let attacker = try Attacker(user, "cd '\(home)' && \(script)")
        #expect(try await attacker.hasEnded() == 0)
    }

    private var reason: String? { get throws { try world.listed("Watch").reason } }

    @Test("is told nothing by a link to what is root's, be it the path itself or on its way")
    func links() async throws {
        let secret = try world.makeDirectory("secret")
        try world.makeDirectory("secret/sub")
        chmod(secret, 0o700)
        try await act("mkdir -p in/sub other/sub")
        try watch("\(home)/in/sub")
        try await world.start()
        try await world.runs(1, of: "Watch")
        for link in [
            "rm -r in; ln -s '\(secret)' in", "rm in; mkdir in; ln -s '\(secret)/sub' in/sub",
        ] {
            try await act(link)
            try await eventually("the link is not followed") {
                try reason?.contains("is a symbolic link of the user with uid ") == true
            }
            try world.write("", to: "secret/sub/hidden")
            let runs = try world.listed("Watch").runs
            try await world.runs(runs + 3, of: "Watch")
            unlink("\(secret)/sub/hidden")
            #expect(world.note("told")?.contains("hidden") != true)
        }
        // A user's own files may lie behind that user's links, and root's links lead anywhere.
        try await act("rm -r in; ln -s other in")
        try await eventually("it is watched again") { try reason == nil }
        try world.write("", to: "home/other/sub/open")
        try await eventually("it is told") { world.note("told")?.contains("in/sub/open") == true }
        try FileManager.default.removeItem(atPath: "\(home)/in")
        try FileManager.default.createSymbolicLink(
            atPath: "\(home)/in", withDestinationPath: secret)
        try world.write("", to: "secret/sub/shown")
        try await eventually("root's is followed") {
            try world.write("", to: "secret/sub/shown")
            return world.note("told")?.contains("in/sub/shown") == true
        }
        #expect(try await world.stop() == 0)
    }

    @Test("is not followed by a link of its own into /proc") func kernelFiles() async throws {
        try await act("mkdir in")
        try watch("\(home)/in")
        try await world.start()
        try await world.runs(1, of: "Watch")
        let process = try Attacker(
            user, "cd '\(home)' && rmdir in && ln -s /proc/$$/task in && exec sleep 1000")
        try await eventually("the link is not followed") {
            try reason?.contains("and leads into proc, so it is not followed") == true
        }
        #expect(try await world.stop() == 0)
        _ = try await process.end()
    }

    @Test("gets as many watches as the manifest says, and no more") func watches() async throws {
        try watch(home, "recursive = true", manifest: "watches-max = 20")
        let daemon = try await world.start()
        try await world.runs(1, of: "Watch")
        func count() -> Int {
            Processes.descriptors(of: daemon.pid).filter { $0.value.contains("inotify") }.keys
                .compactMap {
                    try? String(contentsOfFile: "/proc/\(daemon.pid)/fdinfo/\($0)", encoding: .utf8)
                }
                .joined().components(separatedBy: "inotify wd:").count - 1
        }
        let before = count()
        try await act("for i in 1 2 3 4 5 6 7 8 9; do mkdir -p $i/a $i/b $i/c $i/d $i/e; done")
        try await eventually("the module says so") {
            try reason?.contains("raise 'watches-max'") == true
        }
        #expect(count() <= before + 20)
        // It is polled meanwhile, and keeps its existing watches.
        let runs = try world.listed("Watch").runs
        try await world.runs(runs + 3, of: "Watch")
        try world.write("", to: "home/file")
        try await eventually("it is told") { world.note("told")?.contains("home/file") == true }
        try await act("rm -r [1-8]")
        try await eventually("all of the tree is watched again") { try reason == nil }
        try world.write("", to: "home/9/e/file")
        try await eventually("it is told") { world.note("told")?.contains("9/e/file") == true }
        #expect(try await world.stop() == 0)
    }
}
