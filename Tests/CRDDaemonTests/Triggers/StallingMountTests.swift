// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Paths on a file system in user space, with a real server that can be stopped.
@Suite(
    "A mount whose server may not answer", .takesTurns,
    .enabled(if: UserSpaceMount.isPossible, "needs \(UserSpaceMount.needs)"))
struct StallingMountTests {
    private typealias Mount = UserSpaceMount

    /// `Nas` looks below the mount, `Disk` elsewhere.
    private static func world(_ mount: Mount, path: String = "in/ready") throws -> World {
        let world = try World()
        try world.makeDirectory("box")
        try world.module(
            "Disk", check: "echo x >>\(world.notes)/disk; exit 1",
            manifest: "[[trigger.path]]\npath = \"\(world.directory)/box\"")
        try world.module(
            "Nas", check: "echo \"$CRD_PATH\" >>\(world.notes)/nas; exit 1",
            manifest: manifest(mount, path: path))
        return world
    }

    private static func manifest(_ mount: Mount, path: String) -> String {
        "[[trigger.path]]\npath = \"\(mount.path)/\(path)\""
    }

    /// Modules unrelated to the mount are served, and the daemon answers.
    private static func diskIsServed(
        _ world: World, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let before = world.notedLines("disk").count
        try world.write("", to: "box/f\(UInt64.random(in: 0 ... .max))")
        try await eventually("Disk is checked", sourceLocation: sourceLocation) {
            world.notedLines("disk").count > before
        }
        _ = try world.list()
    }

    private static func stalls(_ world: World, _ mount: Mount) async throws {
        try await eventually("Nas is degraded, and it is said why") {
            let nas = try world.listed("Nas")
            return nas.state == "degraded"
                && nas.reason?.hasPrefix("'\(mount.path)' (fuse") == true
                && nas.reason?.contains("has not answered") == true
        }
    }

    @Test("Paths on it are noticed as any others are") func noticed() async throws {
        let mount = try await Mount()
        let world = try Self.world(mount)
        try await world.start(mount.namespace.prefix)
        try await eventually("it waits") {
            try world.listed("Nas").state == "waiting for \(mount.path)/in/ready"
        }
        try await mount.namespace.run("mkdir \(mount.path)/in")
        try await mount.namespace.run("echo 1 >\(mount.path)/in/ready")
        try await eventually("the file is noticed") {
            world.notedLines("nas").contains("\(mount.path)/in/ready")
        }
        try await eventually("it is there") { try world.listed("Nas").state == "idle" }
        try await mount.namespace.run("rm \(mount.path)/in/ready")
        try await eventually("that it has gone is noticed") {
            try world.listed("Nas").state.hasPrefix("waiting for")
        }
        try await Self.diskIsServed(world)
        #expect(try await world.stop() == 0)
    }

    @Test("G14: one that hangs when the daemon starts holds up its own modules alone")
    func atStart() async throws {
        let mount = try await Mount()
        let world = try Self.world(mount)
        mount.server.send(SIGSTOP)
        try await world.start(mount.namespace.prefix)
        try await Self.diskIsServed(world)
        try await Self.stalls(world, mount)
        // One run at the start, and at least one because it is polled.
        try await world.runs(2, of: "Nas")
        mount.server.send(SIGCONT)
        try await eventually("it is watched again") {
            try world.listed("Nas").state.hasPrefix("waiting for")
        }
        mount.server.send(SIGSTOP)
        #expect(try await world.stop() == 0)
        #expect(world.lines.filter { $0.contains("has not answered") }.count == 1)
    }

    @Test("G14: nor does one that hangs when a module's path is changed, or when events were lost")
    func later() async throws {
        let mount = try await Mount()
        let world = try Self.world(mount)
        let daemon = try await world.start(mount.namespace.prefix)
        try await eventually("it waits") {
            try world.listed("Nas").state.hasPrefix("waiting for")
        }
        mount.server.send(SIGSTOP)
        try world.write(Self.manifest(mount, path: "in/done") + "\n", to: "modules/Nas/module.toml")
        try await Self.stalls(world, mount)
        try await Self.diskIsServed(world)

        daemon.send(SIGSTOP)
        let queue = try #require(
            Int(
                try String(
                    contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8
                ).trimmingCharacters(in: .whitespacesAndNewlines)))
        for number in 0...queue / 2 { try world.write("", to: "box/n\(number)") }
        daemon.send(SIGCONT)
        try await eventually("the queue was full") {
            try (world.list().daemon?.overflows ?? 0) > 0
        }
        try await Self.diskIsServed(world)
        mount.server.send(SIGCONT)
        try await eventually("it is watched again") {
            try world.listed("Nas").state == "waiting for \(mount.path)/in/done"
        }
        try await mount.namespace.run("mkdir -p \(mount.path)/in; : >\(mount.path)/in/done")
        try await eventually("the file is noticed") {
            world.notedLines("nas").contains("\(mount.path)/in/done")
        }
    }

    @Test("A tree is watched beyond it, and up to it, while it comes and goes")
    func tree() async throws {
        let mount = try await Mount()
        let namespace = mount.namespace
        let world = try World()
        try world.module(
            "Tree", check: "cat \"$CRD_EVENTS\" >>\(world.notes)/tree; exit 1",
            manifest: "[[trigger.path]]\npath = \"\(namespace.directory)\"\nrecursive = true\n"
                + "exclude = [\"log\"]")
        try await world.start(namespace.prefix)
        // The mount's content is watched a moment later, and earlier changes are unknown.
        try await eventually("the mount is watched") {
            world.note("tree")?.contains(#""overflow":true"#) == true
        }
        try await namespace.run("mkdir \(mount.path)/deep; : >\(mount.path)/deep/first")
        try await eventually("what is beyond it is noticed") {
            world.note("tree")?.contains("/nas/deep/first") == true
        }
        try await namespace.run("umount \(mount.path)")
        try await eventually("that it has gone is noticed") {
            world.note("tree")?.contains(#""path":"\#(mount.path)","events":["unmount"]"#) == true
        }
        let daemon = try #require(world.daemon)
        try await eventually("nobody watches it any more") {
            Processes.children(of: daemon.pid).allSatisfy {
                !Processes.arguments(of: $0).contains("helper")
            }
        }
        try await namespace.run(": >\(mount.path)/below")
        try await eventually("what was below it is watched then") {
            world.note("tree")?.contains("/nas/below") == true
        }
    }

    /// `Far` lies on the mount, and is reached by a link.
    private static func worldWithLink(_ mount: Mount) async throws -> World {
        let world = try world(mount)
        let far = "\(mount.namespace.directory)/disk/Far"
        try await mount.namespace.run(
            """
            mkdir \(far)
            printf '#!/bin/sh\\necho x >>\(world.notes)/far; exit 1\\n' >\(far)/check
            printf '#!/bin/sh\\n' >\(far)/response
            chmod 755 \(far)/*
            echo 'interval = "500ms"' >\(far)/module.toml
            ln -s \(mount.path)/Far \(world.directory)/modules/Far
            """)
        return world
    }

    @Test("G14: a module that lies on it runs, and waits while the server is silent")
    func module() async throws {
        let mount = try await Mount()
        let world = try await Self.worldWithLink(mount)
        let daemon = try await world.start(mount.namespace.prefix)
        try await world.runs(1, of: "Far")
        mount.server.send(SIGSTOP)
        try await Self.diskIsServed(world)
        // A reload and a run are due, but neither happens.
        daemon.send(SIGHUP)
        try await eventually("it is not read") {
            world.lines.contains { $0.contains("Far") && $0.contains("does not answer") }
        }
        try await Self.diskIsServed(world)
        try await eventually("it is due, does not run, and says why") {
            let far = try world.listed("Far")
            return far.state == "failed" && far.reason?.contains("does not answer") == true
        }
        let runs = try world.listed("Far").runs
        try await mount.namespace.run(
            "echo 'interval = \"1s\"' >\(mount.namespace.directory)/disk/Far/module.toml")
        mount.server.send(SIGCONT)
        #expect(try await world.reload().code == 0)
        try await world.runs(runs + 3, of: "Far")
        mount.server.send(SIGSTOP)
        // It is due every second now.
        try await Self.diskIsServed(world)
        try await Self.diskIsServed(world)
        #expect(try await world.stop() == 0)
    }

    @Test("G15: one process asks for all that answer, however many modules lie on") func asker()
        async throws
    {
        let mount = try await Mount()
        let world = try await Self.worldWithLink(mount)
        for number in 0..<4 {
            let place = "\(mount.namespace.directory)/m\(number)"
            try await mount.namespace.run(
                "mkdir \(place); mount --bind \(mount.path) \(place); "
                    + "ln -s \(place)/Far \(world.directory)/modules/Far\(number)")
        }
        let daemon = try await world.start(mount.namespace.prefix)
        for number in 0..<4 { try await world.runs(2, of: "Far\(number)") }
        try await eventually("one process asks") {
            Processes.children(of: daemon.pid).count {
                Processes.arguments(of: $0).contains("mounts")
            } == 1
        }
        #expect(try await world.stop() == 0)
    }

    @Test("G14: one that cannot be read at the start is taken in when the server answers")
    func moduleAtStart() async throws {
        let mount = try await Mount()
        let world = try await Self.worldWithLink(mount)
        mount.server.send(SIGSTOP)
        try await world.start(mount.namespace.prefix)
        try await Self.diskIsServed(world)
        try await eventually("it is listed") {
            (try? world.listed("Far"))?.reason?.contains("does not answer") == true
        }
        mount.server.send(SIGCONT)
        try await world.runs(1, of: "Far")
        #expect(try await world.stop() == 0)
    }

    @Test(
        "G15: one that a role's user has mounted on its CRD_STATE holds up its own module alone",
        .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"),
        arguments: ["user = 'nobody'", ""])
    func onState(manifest: String) async throws {
        let mount = try await Mount()
        let world = try Self.world(mount)
        try world.module("Mine", check: "exit 1", manifest: "user = 'nobody'")
        let state = "\(world.directory)/state/modules/Mine"
        try await world.start(mount.namespace.prefix)
        try await world.runs(1, of: "Mine")
        #expect(try await world.stop() == 0)
        // One that belonged to a former user, too.
        try world.makeDirectory("state/modules/Mine.~1~")
        for place in [state, "\(state).~1~"] {
            try await mount.namespace.run("mount --bind \(mount.path) '\(place)'")
        }
        mount.server.send(SIGSTOP)
        try world.write(manifest, to: "modules/Mine/module.toml")
        try await world.start(mount.namespace.prefix)
        try await Self.diskIsServed(world)
        try await eventually("the remedy is told") {
            try world.listed("Mine").reason?.contains("'\(state)'") == true
        }
        #expect(try world.listed("Mine").reason?.contains("unmount the file system") == true)
        #expect(try await world.stop() == 0)
        // umount(8) would ask the server, too.
        mount.server.send(SIGCONT)
        try await mount.namespace.run("umount '\(state)'")
        mount.server.send(SIGSTOP)
        try await world.start(mount.namespace.prefix)
        try await world.runs(1, of: "Mine")
        try await Self.diskIsServed(world)
        if manifest.isEmpty {
            try await eventually("the user's directory is put aside") {
                world.lines.contains { $0.contains("put aside as \(state).~2~") }
            }
        }
        #expect(try await world.stop() == 0)
    }
}

/// Files that the kernel makes up as they are read.
@Suite("File systems of whose changes inotify says nothing")
struct SilentFileSystemTests {
    @Test("G9: the module is polled, and it is said why") func polled() async throws {
        let world = try World()
        try world.module(
            "Mounts", check: "exit 1", manifest: "[[trigger.path]]\npath = \"/proc/mounts\"")
        try world.module(
            "Never", check: "exit 1",
            manifest: "interval = \"off\"\n[[trigger.path]]\npath = \"/sys/kernel/mm\"")
        try await world.start()
        try await world.runs(2, of: "Mounts")
        let mounts = try world.listed("Mounts")
        #expect(mounts.state == "degraded" || mounts.state == "checking")
        #expect(mounts.reason?.contains("on proc, where '/proc/mounts' lies") == true)
        let reason = try #require(try world.listed("Never").reason)
        #expect(reason.contains("on sysfs, where '/sys/kernel/mm' lies"))
        #expect(try world.listed("Never").runs == 1)
        #expect(world.lines.filter { $0.contains("/proc/mounts") }.count == 1)
        #expect(world.lines.contains { $0.hasPrefix("crd: error: Never: deaf: ") })
        let checked = try await world.crd(["check-config"])
        #expect(checked.code == 0)
        #expect(checked.output.contains("Mounts/module.toml:2:8: warning: 'trigger.path.path': "))
    }
}
