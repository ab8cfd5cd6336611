// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Users on a directory server that does not answer, by a name service of our own.
@Suite(
    "G14: a name service that takes its time", .takesTurns,
    .enabled(if: HangingNameService.isPossible, "needs \(HangingNameService.needs)"))
struct SlowNameServiceTests {
    private static let local = "echo x >>\"$NOTES/local\"; exit 1"

    private static func world(more: String = "") throws -> World {
        let world = try World(interval: "200ms", more: more)
        try world.module(
            "Local", check: local.replacingOccurrences(of: "$NOTES", with: world.notes))
        return world
    }

    private static func localGoesOn(
        _ world: World, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let before = world.notedLines("local").count
        try await eventually("Local is checked", sourceLocation: sourceLocation) {
            world.notedLines("local").count > before + 2
        }
    }

    @Test("holds up neither the start nor the modules that name no user")
    func start() async throws {
        let service = try await HangingNameService()
        let world = try Self.world()
        try await world.start(service.prefix, environment: service.environment)
        try await Self.localGoesOn(world)
        #expect(!service.wasAsked)
        #expect(try await world.stop() == 0)
    }

    @Test("holds up the modules that name a user, until it answers")
    func user() async throws {
        let service = try await HangingNameService()
        let world = try Self.world()
        try world.module("Early", check: "exit 1", manifest: "user = \"nobody\"")
        try await world.start(service.prefix, environment: service.environment)
        try await eventually("the name service is asked") { service.wasAsked }
        try await eventually("Early waits") {
            let early = try world.listed("Early")
            return early.state == "failed"
                && early.reason?.contains("has not answered the query for \"nobody\"") == true
        }
        try await Self.localGoesOn(world)
        // Its user is in /etc/passwd, but a directory may know of more groups.
        try world.module("Late", check: "exit 1", manifest: "user = \"nobody\"")
        try await eventually("Late waits") {
            (try? world.listed("Late"))?.state == "failed"
        }
        try await Self.localGoesOn(world)

        service.answer()
        try await world.runs(1, of: "Early")
        try await world.runs(1, of: "Late")
        #expect(try await world.stop() == 0)
    }

    @Test("holds up what a module is changed to, until it answers") func changed() async throws {
        let service = try await HangingNameService()
        let world = try Self.world()
        // One module that runs, and one that failed for lack of a response.
        try world.module("Runs", check: ": >'\(world.notes)/runs-'$(id -un); exit 1")
        try world.makeDirectory("modules/Half")
        try world.script("id -un >>'\(world.notes)/half'; exit 1", at: "modules/Half/check")
        try await world.start(service.prefix, environment: service.environment)
        try await eventually("Half has failed") { try world.listed("Half").state == "failed" }

        for name in ["Runs", "Half"] {
            try world.write("user = \"nobody\"\n", to: "modules/\(name)/module.toml")
        }
        try world.script("exit 0", at: "modules/Half/response")
        try await eventually("both are given up") {
            ["Runs", "Half"].allSatisfy { name in
                world.lines.contains {
                    $0.contains("modules/\(name)/module.toml") && $0.contains("has not answered")
                }
            }
        }
        #expect(["runs-nobody", "half"].allSatisfy { world.note($0) == nil })

        service.answer()
        try await eventually("both run as the other user") {
            world.note("runs-nobody") != nil && !world.notedLines("half").isEmpty
        }
        #expect(Set(world.notedLines("half")) == ["nobody"])
        #expect(try await world.stop() == 0)
    }

    @Test("holds up a reload that somebody asked for, but not for ever")
    func reload() async throws {
        let service = try await HangingNameService()
        let world = try Self.world(more: "auto-reload = false")
        try await world.start(service.prefix, environment: service.environment)
        try world.module("New", check: "exit 1", manifest: "user = \"nobody\"")
        // Both are found before the name service answers.
        try world.module("Other", check: "exit 1")
        try world.write(
            String(contentsOfFile: world.configuration, encoding: .utf8) + "\nslots = 7\n",
            to: "crd.conf")
        let reload = try world.begin(["reload"])
        try await eventually("the name service is asked") { service.wasAsked }
        try await Self.localGoesOn(world)
        service.answer()
        #expect(try await reload.end() == 0)
        #expect(world.said() == "crd.conf has changed; new: New, Other\n")
        try await world.runs(1, of: "New")
        #expect(try await world.stop() == 0)
    }

    @Test("does not keep what is known from being used") func known() async throws {
        let service = try await HangingNameService()
        service.answer()
        let world = try Self.world()
        try world.module("Known", check: "exit 1", manifest: "user = \"nobody\"\ninterval = \"1h\"")
        try await world.start(service.prefix, environment: service.environment)
        try await world.runs(1, of: "Known")
        service.hang()
        #expect(try await world.crd(["reload"]).code == 0)
        try await Self.localGoesOn(world)
        #expect(["idle", "checking"].contains(try world.listed("Known").state))
        try world.write(
            "user = \"nobody\"\ninterval = \"2h\"\n", to: "modules/Known/module.toml")
        try await world.runs(2, of: "Known")
        #expect(try await world.stop() == 0)
    }
}
