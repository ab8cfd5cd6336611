// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Users who may mount file systems in user space (fusermount3(1)), in a tree that is watched.
@Suite(
    "G15: Mounts that users make in a watched tree", .takesTurns,
    .enabled(
        if: UserSpaceMount.isPossible && Attacker.isPossible
            && Surroundings.find("fusermount3") != nil,
        "\(UserSpaceMount.needs), \(Attacker.needs), fusermount3"))
struct ManyMountsTests {
    /// Not an `Attacker`'s: one of those stops everything that runs as its user.
    private static let user = "lp"
    private static let count = 20

    /// `Tree` watches the directory of `m0` and the other mounts, and `Nas` an earlier mount.
    private static func world(_ mount: UserSpaceMount) async throws -> World {
        let world = try World()
        try await mount.namespace.run(
            """
            mkdir $DIRECTORY/home; chown \(user) $DIRECTORY/home
            # What udev gives to all users.
            mknod -m 666 $DIRECTORY/layers/fuse c 10 229
            mount --bind $DIRECTORY/layers/fuse /dev/fuse
            """)
        try world.module(
            "Tree", check: "cat \"$CRD_EVENTS\" >>\(world.notes)/tree; exit 1",
            manifest: "[[trigger.path]]\npath = \"\(mount.namespace.directory)/home\"\n"
                + "recursive = true")
        try world.module(
            "Nas", check: "echo \"$CRD_PATH\" >>\(world.notes)/nas; exit 1",
            manifest: "[[trigger.path]]\npath = \"\(mount.path)/ready\"")
        return world
    }

    /// Mounts file systems whose server never answers, until it is ended.
    private static func servers(
        _ count: Int, in mount: UserSpaceMount, closed: Bool
    ) async throws -> Program {
        let home = "\(mount.namespace.directory)/home"
        let script = """
            import array, ctypes, os, socket, subprocess, time
            kept = []
            libc = ctypes.CDLL(None, use_errno=True)
            for number in range(\(count)):
                place = f"\(home)/m{number}"
                os.mkdir(place)
                if \(closed ? "True" : "False"):
                    ours, theirs = socket.socketpair()
                    subprocess.run(["fusermount3", "-o", "subtype=x", "--", place], check=True,
                        pass_fds=[theirs.fileno()],
                        env=dict(os.environ, _FUSE_COMMFD=str(theirs.fileno())))
                    received = ours.recvmsg(1, socket.CMSG_SPACE(4))[1][0][2]
                    kept.append(array.array("i", received[:4])[0])
                else:
                    kept.append(os.open("/dev/fuse", os.O_RDWR))
                    options = f"fd={kept[-1]},rootmode=40000,user_id=7,group_id=7,allow_other"
                    if libc.mount(b"x", place.encode(), b"fuse.x", 6, options.encode()):
                        raise OSError(ctypes.get_errno(), place)
            open(f"\(home)/done", "w").close()
            time.sleep(1000000)
            """
        let setpriv = Surroundings.find("setpriv") ?? "setpriv"
        let user = closed ? [setpriv, "--reuid", user, "--regid", user, "--clear-groups"] : []
        let program = try Program(
            mount.namespace.prefix + user
                + ["/usr/bin/env", "python3", "-c", script],
            environment: mount.namespace.environment, output: "\(mount.namespace.directory)/log",
            errors: "\(mount.namespace.directory)/log")
        try await eventually("they are mounted") {
            if program.hasEnded { throw Trouble("the servers have ended at once") }
            return access(mount.namespace.path("\(home)/done"), F_OK) == 0
        }
        return program
    }

    private static func helpers(_ world: World) throws -> Int {
        let daemon = try #require(world.daemon)
        return Processes.children(of: daemon.pid).count {
            Processes.arguments(of: $0).contains("paths")
        }
    }

    private static func nasIsWatched(_ world: World, _ mount: UserSpaceMount) async throws {
        let before = world.notedLines("nas").count
        try await mount.namespace.run("rm -f \(mount.path)/ready; : >\(mount.path)/ready")
        try await eventually("the named mount is watched") {
            world.notedLines("nas").count > before
        }
    }

    @Test("that are closed to root have no helper, and the module says so") func closed()
        async throws
    {
        let mount = try await UserSpaceMount()
        let world = try await Self.world(mount)
        try await world.start(mount.namespace.prefix)
        let server = try await Self.servers(Self.count, in: mount, closed: true)
        let user = try #require(getpwnam(Self.user)).pointee.pw_uid
        try await eventually("Tree is degraded, and it is said why") {
            let tree = try world.listed("Tree")
            return tree.state == "degraded"
                && tree.reason?.contains("/home/m0' (fuse.x) is not watched") == true
                && tree.reason?.contains("of the user with uid \(user), closed to all") == true
        }
        try await Self.nasIsWatched(world, mount)
        #expect(try Self.helpers(world) == 1)
        try await mount.namespace.run(
            "for place in $DIRECTORY/home/m*; do umount \"$place\"; done")
        try await eventually("Tree is as it was") { try world.listed("Tree").state == "idle" }
        // Not one line for each mount.
        let lines = world.lines.filter { $0.contains("Tree: ") }
        #expect((1..<10).contains(lines.count), "\(lines)")
        server.send(SIGKILL)
        #expect(try await world.stop() == 0)
    }

    @Test("that are open get a few helpers, and none that a path names is left without")
    func open() async throws {
        let mount = try await UserSpaceMount()
        let world = try await Self.world(mount)
        let server = try await Self.servers(Self.count, in: mount, closed: false)
        try await world.start(mount.namespace.prefix)
        try await eventually("Tree is degraded, and it is said why") {
            let tree = try world.listed("Tree")
            return tree.state == "degraded"
                && tree.reason?.contains("is not watched: of mounts that may stall, at most 4 are")
                    == true
        }
        try await Self.nasIsWatched(world, mount)
        #expect(try Self.helpers(world) == 5)
        #expect(world.lines.filter { $0.contains("is not watched") }.count <= 5)
        server.send(SIGKILL)
        #expect(try await world.stop() == 0)
    }

    @Test("wait for a place, and get it when another is unmounted") func waiting() async throws {
        let mount = try await UserSpaceMount()
        let world = try await Self.world(mount)
        let server = try await Self.servers(4, in: mount, closed: false)
        try await mount.namespace.run(
            "mkdir $DIRECTORY/home/z; mount --bind $DIRECTORY/nas $DIRECTORY/home/z")
        try await world.start(mount.namespace.prefix)
        try await eventually("the last one waits") {
            try world.listed("Tree").reason?.contains("/home/z' (fuse") == true
        }
        try await eventually("the helpers of the others wait for an answer") {
            try world.listed("Tree").reason?.contains("has not answered") == true
        }
        // Their helpers still wait, and a waiting helper counts.
        try await mount.namespace.run("umount -l $DIRECTORY/home/m0")
        try await Self.nasIsWatched(world, mount)
        #expect(try world.listed("Tree").reason?.contains("/home/z' (fuse") == true)
        #expect(try Self.helpers(world) == 5)
        // Without their server all calls on them fail.
        server.send(SIGKILL)
        try await eventually("the last one has a place") {
            try world.listed("Tree").reason?.contains("/home/z' (fuse") != true
        }
        try await eventually("and is watched") {
            try await mount.namespace.run("mkdir -p $DIRECTORY/nas/$$")
            return world.note("tree")?.matches(of: #//home/z/\d/#).isEmpty == false
        }
        #expect(try await world.stop() == 0)
    }
}
