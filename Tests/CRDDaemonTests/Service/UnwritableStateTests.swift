// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A state directory on a disk that is full, or that has become read-only.
@Suite(
    "State that cannot be written",
    .enabled(if: Surroundings.hasNamespaces, "\(Surroundings.needsNamespaces)"), .takesTurns)
struct UnwritableStateTests {
    private static let told = "crd cannot write to the state directory "
    private static let healed = "is writable again: crd has resumed storing its records"

    /// Starts it with the state directory on a mount of its own.
    private func start(_ world: World, mounted options: String, then script: String = "true")
        async throws -> Program
    {
        let state = try world.makeDirectory("state")
        return try await world.start(
            Namespace.mount.entering("mount -t tmpfs -o \(options) tmpfs '\(state)' && \(script)"))
    }

    private func count(_ text: String, in world: World) -> Int {
        world.lines.count { $0.contains(text) }
    }

    /// A module that is always being checked, and notes what it has for `CRD_STATE`.
    private func module(_ name: String, in world: World) throws {
        try world.module(
            name,
            check: "[ -d \"$CRD_STATE\" ] && echo yes >>'\(world.notes)/\(name)' || "
                + "echo no >>'\(world.notes)/\(name)'; exit 1",
            manifest: "interval = '200ms'")
    }

    @Test(
        "the daemon starts, its modules run, and the log says it once, and when it is over",
        arguments: [
            "ro,mode=755", "mode=755,size=64k,nr_inodes=1", "mode=755,size=64k,nr_inodes=2",
        ])
    func fromTheStart(options: String) async throws {
        let world = try World()
        for name in ["One", "Two"] { try module(name, in: world) }
        let daemon = try await start(world, mounted: options)
        for name in ["One", "Two"] {
            try await eventually("\(name) runs") { world.notedLines(name).count >= 3 }
            #expect(world.notedLines(name).first == "no")
        }
        #expect(count(Self.told, in: world) == 1, "\(world.lines)")
        #expect(count(Self.healed, in: world) == 0)
        // Another daemon still stays out.
        let other = try await world.crd(
            ["daemon"],
            prefix: [Surroundings.find("nsenter") ?? "nsenter", "--mount", "-t", "\(daemon.pid)"])
        #expect(other.code == 1 && other.errors.contains("is already running"), "\(other)")

        let state = "\(world.directory)/state"
        let ending = try await Namespace.mount.run(
            "mount -o remount,rw,size=1m,nr_inodes=100 '\(state)'", of: daemon, in: world)
        #expect(ending == 0)
        try await eventually("it is stored again") { count(Self.healed, in: world) == 1 }
        for name in ["One", "Two"] {
            try await eventually("\(name) has a directory") {
                world.notedLines(name).last == "yes"
            }
        }
        #expect(count(Self.told, in: world) == 1, "\(world.lines)")
        try await world.stop()
    }

    @Test("a module that comes when the disk is full runs, and may make room") func later()
        async throws
    {
        let world = try World()
        let ballast = "\(world.directory)/state/ballast"
        try world.module(
            "Janitor", check: "[ -e '\(ballast)' ]", response: "rm '\(ballast)' '\(ballast)2'",
            manifest: "interval = '200ms'")
        let daemon = try await start(
            world, mounted: "mode=755,size=64k,nr_inodes=7",
            then:
                "mkdir -p '\(world.directory)/state/daemon' '\(world.directory)/state/modules' && "
                + "chmod 700 '\(world.directory)/state/daemon' && : >'\(world.directory)/state/daemon/lock' "
                + "&& mkdir '\(world.directory)/state/more' && : >'\(ballast)' && : >'\(ballast)2'")
        try await eventually("it makes room") { count(Self.healed, in: world) == 1 }
        #expect(count(Self.told, in: world) == 1, "\(world.lines)")
        #expect(try world.listed("Janitor").responses == 1)
        _ = daemon
    }
}
