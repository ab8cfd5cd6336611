// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Goal: what a role's user has put into `CRD_STATE` never becomes another user's (G15).
/// Method: the user leaves traps that would make the next one write elsewhere, then the manifest
/// changes.
@Suite(
    "G15: CRD_STATE", .enabled(if: Surroundings.canBecomeNobody, "\(Surroundings.needsNobody)"),
    .takesTurns)
struct RoleStateTests {
    private let world: World
    private let victim: String

    init() throws {
        world = try World()
        victim = try world.write("precious", to: "victim")
    }

    private var state: String { "\(world.directory)/state/modules/Mine" }
    private var isVictimWhole: Bool {
        FileManager.default.contents(atPath: victim) == Data("precious".utf8)
    }

    /// Lets nobody's check prepare its directory, then changes the module to `manifest`.
    private func change(to manifest: String, after check: String) async throws {
        try world.module(
            "Mine", check: "cd \"$CRD_STATE\" && \(check); exit 1", manifest: "user = 'nobody'")
        try await world.start()
        try await world.runs(1, of: "Mine")
        try world.script("exit 0", at: "modules/Mine/check")
        try world.script(
            """
            echo root >"$CRD_STATE/last"
            { stat -c '%U %a' "$CRD_STATE"; ls -A "$CRD_STATE"; echo "$CRD_STATE"; } \\
                >'\(world.notes)/state'
            """, at: "modules/Mine/response")
        try world.write(manifest, to: "modules/Mine/module.toml")
        #expect(try await world.reload().code == 0)
        try await eventually("the response runs") { world.notedLines("state").count == 3 }
    }

    private func isTold(_ directory: String) -> Bool {
        world.lines.contains {
            $0.contains("Mine: \(directory) ") && $0.contains("put aside as \(directory).~1~")
        }
    }

    @Test("of a user is not handed to root")
    func handedOver() async throws {
        try await change(to: "", after: "ln -s '\(victim)' last")
        #expect(isVictimWhole)
        #expect(world.notedLines("state") == ["root 700", "last", state])
        #expect(isTold(state), "\(world.lines)")
        let kept = try FileManager.default.destinationOfSymbolicLink(atPath: "\(state).~1~/last")
        #expect(kept == victim)
    }

    @Test("of a role is not what another role's user has prepared for it")
    func prepared() async throws {
        try await change(
            to: "[check]\nuser = 'nobody'\n",
            after: "mkdir response && ln -s '\(victim)' response/last")
        #expect(isVictimWhole)
        #expect(world.notedLines("state") == ["root 700", "last", "\(state)/response"])
        #expect(isTold(state), "\(world.lines)")
    }

    @Test("of roles that get users of their own is not open to them")
    func opened() async throws {
        try world.module(
            "Mine", check: "echo secret >\"$CRD_STATE/secret\"; exit 1", manifest: "")
        try await world.start()
        try await world.runs(1, of: "Mine")
        try world.script(
            "cat \"$CRD_STATE/../secret\" >'\(world.notes)/read'; exit 1", at: "modules/Mine/check")
        try world.write("[check]\nuser = 'nobody'\n", to: "modules/Mine/module.toml")
        #expect(try await world.reload().code == 0)
        try await eventually("the check runs") { world.note("read") != nil }
        try await world.stop()
        #expect(world.note("read") == "")
        #expect(isTold(state), "\(world.lines)")
    }

    @Test("stays its user's, whoever starts the daemon and whatever mode the user gives it")
    func kept() async throws {
        try world.module(
            "Mine",
            check: "cat \"$CRD_STATE/count\" >>'\(world.notes)/counts'; "
                + "echo x >>\"$CRD_STATE/count\"; chmod 755 \"$CRD_STATE\"; exit 1",
            manifest: "user = 'nobody'")
        for _ in 0..<3 {
            try await world.start()
            try await world.runs(1, of: "Mine")
            try await world.stop()
        }
        #expect(world.notedLines("counts") == ["x", "x", "x"])
        // A chmod(2) of the daemon's would wait for whatever holds the directory's lock.
        var status = stat()
        #expect(stat(state, &status) == 0 && status.st_mode & 0o7777 == 0o755)
        #expect(!world.lines.contains { $0.contains("put aside") })
    }
}

/// Goal: root changes nothing through a path that somebody else can redirect (G15).
@Suite(
    "G15: Directories of crd's", .enabled(if: Surroundings.isRoot, "\(Surroundings.needsRoot)"))
struct ForeignDirectoryTests {
    private let world: World

    init() throws { world = try World() }

    /// A directory of nobody's, with a link in it to one of root's.
    private func prepare(_ key: String, below name: String) throws -> String {
        let place = try world.makeDirectory("place")
        let victim = try world.makeDirectory("victim")
        try world.makeDirectory("victim/daemon")
        try world.makeDirectory("victim/modules")
        symlink(victim, "\(place)/link")
        lchown("\(place)/link", 65534, 65534)
        chown(place, 65534, 65534)
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("\(key) = ") }
        try world.write(
            lines.joined(separator: "\n") + "\n\(key) = \"\(place)/\(name)\"\n", to: "crd.conf")
        return place
    }

    private func tree(_ top: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: top)?.compactMap { $0 as? String } ?? []
        return names.sorted().map { name in
            var status = stat()
            lstat("\(top)/\(name)", &status)
            return "\(name) \(String(status.st_mode, radix: 8)) \(status.st_uid)"
        }
    }

    @Test(
        "nothing is made or changed below a directory of somebody else's",
        arguments: ["state", "runtime"], ["link", "link/new", "new", "new/er"])
    func daemon(key: String, name: String) async throws {
        let place = try prepare(key, below: name)
        let before = tree(place) + tree("\(world.directory)/victim")
        let outcome = try await world.crd(["daemon"])
        #expect(outcome.code == 1 && outcome.errors.contains("\(place) belongs to "), "\(outcome)")
        #expect(tree(place) + tree("\(world.directory)/victim") == before)
    }

    @Test("nor by who installs a module, or makes one", arguments: ["state", "modules"])
    func commands(key: String) async throws {
        let place = try prepare(key, below: "link/new")
        let before = tree(place) + tree("\(world.directory)/victim")
        let outcome = try await world.crd(["new", "Mine"])
        #expect(outcome.code != 0 && outcome.errors.contains("\(place) belongs to "), "\(outcome)")
        #expect(tree(place) + tree("\(world.directory)/victim") == before)
    }
}
