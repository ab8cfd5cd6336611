// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A module's files arrive in some order; it runs as root only if that was meant.
@Suite("G15: A module that is being copied", .takesTurns)
struct DeploymentTests {
    private static let isRoot = geteuid() == 0

    /// How a file gets its content.
    enum Writing: CaseIterable { case inPlace, byRename }

    private func put(
        _ text: String, at path: String, mode: mode_t, _ writing: Writing, in world: World
    ) throws {
        guard writing == .byRename else {
            _ = try world.write(text, to: path, mode: mode)
            return
        }
        let source = try world.write(text, to: "\(path).new", mode: mode)
        guard rename(source, "\(world.directory)/\(path)") == 0 else {
            throw Trouble("rename: \(errno)")
        }
    }

    /// Writes a check that notes whom it runs as, and a response.
    private func fill(_ place: String, _ writing: Writing = .inPlace, in world: World) throws {
        let check = "#!/bin/sh\nid -un >>'\(world.notes)/\(place.split(separator: "/").last!)'\n"
        try put(check + "exit 1\n", at: "\(place)/check", mode: 0o755, writing, in: world)
        try put("#!/bin/sh\n", at: "\(place)/response", mode: 0o755, writing, in: world)
    }

    /// Moves a module without a manifest into place, and waits for its check: by then everything
    /// due a second after earlier events has been taken in.
    private func letASecondPass(in world: World, _ name: String = "Whole") async throws {
        try world.makeDirectory(name)
        try fill(name, in: world)
        guard rename("\(world.directory)/\(name)", "\(world.directory)/modules/\(name)") == 0 else {
            throw Trouble("rename: \(errno)")
        }
        try await isChecked(name, in: world)
    }

    private func isChecked(_ name: String, in world: World) async throws {
        try await eventually("\(name) is checked") { !world.notedLines(name).isEmpty }
    }

    private func names(in world: World) throws -> [String] {
        try world.list().modules.map(\.name)
    }

    /// Repeats the attempt until one takes less time than crd waits for a manifest. Only such an
    /// attempt counts: a busy machine may rightly take the module in without one.
    ///
    /// - Parameter attempt: first calls its parameter, right before what crd waits for, and returns
    ///   the expectations.
    private func inTime(
        _ attempt: (_ begin: () -> Void) async throws -> () -> Void
    ) async throws {
        for _ in 0..<8 {
            var begun = ContinuousClock.now
            let judge = try await attempt { begun = .now }
            if ContinuousClock.now - begun < .seconds(10) { return judge() }
        }
    }

    @Test(
        "file by file does not run as root before its manifest comes, whoever reloads",
        .enabled(if: isRoot), arguments: Writing.allCases)
    func fileByFile(_ writing: Writing) async throws {
        try await inTime { begin in
            let world = try World()
            try await world.start()
            begin()
            try world.makeDirectory("modules/Late")
            try fill("modules/Late", writing, in: world)
            try await letASecondPass(in: world)
            let reload = try await world.reload()
            let names = try names(in: world)
            try put(
                "user = 'nobody'\n", at: "modules/Late/module.toml", mode: 0o644, writing,
                in: world)
            try await isChecked("Late", in: world)
            return {
                #expect(reload.output.contains("not complete yet"))
                #expect(reload.output.contains("Late") && names == ["Whole"])
                #expect(world.notedLines("Late") == ["nobody"])
                #expect(world.lines.contains { $0.contains("Late: has no module.toml") })
            }
        }
    }

    @Test("file by file, and no manifest ever comes: it is taken in later")
    func neverAManifest() async throws {
        try await inTime { begin in
            let world = try World()
            try await world.start()
            begin()
            try world.makeDirectory("modules/Late")
            try fill("modules/Late", in: world)
            try await letASecondPass(in: world)
            let names = try names(in: world)
            return { #expect(names == ["Whole"]) }
        }
        let world = try World()
        try await world.start()
        try world.makeDirectory("modules/Late")
        try fill("modules/Late", in: world)
        try await isChecked("Late", in: world)
    }

    @Test(
        "over one of its name, which was removed, does not run as root either",
        .enabled(if: isRoot))
    func madeAnew() async throws {
        try await inTime { begin in
            let world = try World(interval: "200ms")
            try world.makeDirectory("modules/Guard")
            try fill("modules/Guard", in: world)
            try world.write("user = 'nobody'\n", to: "modules/Guard/module.toml")
            try await world.start()
            try await world.runs(1, of: "Guard")
            begin()
            try FileManager.default.removeItem(atPath: "\(world.directory)/modules/Guard")
            try world.makeDirectory("modules/Guard")
            try fill("modules/Guard", in: world)
            try await letASecondPass(in: world)
            let noted = world.notedLines("Guard").count
            try await eventually("it is checked as before") {
                world.notedLines("Guard").count > noted + 2
            }
            try world.write(
                "user = 'nobody'\ninterval = '100ms'\n", to: "modules/Guard/module.toml")
            try await eventually("it has changed") {
                world.lines.contains { $0.contains("1 changed") }
            }
            return { #expect(Set(world.notedLines("Guard")) == ["nobody"]) }
        }
    }

    @Test(
        "without its response for long does not run as root when that comes",
        .enabled(if: isRoot))
    func slowly() async throws {
        try await inTime { begin in
            let world = try World(interval: "200ms")
            try await world.start()
            try world.makeDirectory("modules/Slow")
            try world.script("id -un >>'\(world.notes)/Slow'; exit 1", at: "modules/Slow/check")
            try await eventually("it is given up") {
                try names(in: world) == ["Slow"]
                    && world.listed("Slow").reason?.contains("response is not there") == true
            }
            begin()
            try world.script("exit 0", at: "modules/Slow/response")
            try await letASecondPass(in: world)
            let early = world.note("Slow")
            try world.write("user = 'nobody'\n", to: "modules/Slow/module.toml")
            try await isChecked("Slow", in: world)
            return {
                #expect(early == nil)
                #expect(Set(world.notedLines("Slow")) == ["nobody"])
            }
        }
    }

    @Test("elsewhere, and linked to in one step, is taken in at once") func linked() async throws {
        let world = try World()
        try await world.start()
        try world.makeDirectory("modules/InPlace")
        try fill("modules/InPlace", in: world)
        try world.makeDirectory("Linked")
        try fill("Linked", in: world)
        try FileManager.default.createSymbolicLink(
            atPath: "\(world.directory)/modules/Linked", withDestinationPath: "../Linked")
        try await isChecked("Linked", in: world)
        #expect(try names(in: world) == ["Linked"])
    }
}
