// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("Directory")
struct DirectoryTests {
    private let directory: TemporaryDirectory
    private let owner = UserAccount.daemon
    private static let nobody = UserAccount(
        name: "nobody", uid: 65_534, gid: 65_533, groups: [], home: "/", shell: "/bin/sh")

    init() throws { directory = try TemporaryDirectory() }

    private func isPrivate(_ path: FilePath, of account: UserAccount) -> Bool {
        guard let status = FileStatus(of: path, followingLinks: false) else { return false }
        return status.kind == .directory && status.mode == 0o700 && status.owner == account.uid
    }

    @Test("is made with what is above it, under any umask") func making() async throws {
        await #expect(processExitsWith: .success) { [path = directory.path.string as String] in
            for mask: mode_t in [0, 0o022, 0o077] {
                umask(mask)
                let place = FilePath(path).appending("\(mask)")
                try Directory.makePrivate(place, owner: .daemon)
                #expect(FileStatus(of: place)?.mode == 0o700)
            }
        }
        let deep = directory["a/b/c"]
        try Directory.makePrivate(deep, owner: owner)
        #expect(isPrivate(deep, of: owner))
        #expect(FileStatus(of: directory["a/b"])?.mode == 0o755)
    }

    @Test("is taken over with owner and mode put right", .enabled(if: geteuid() == 0))
    func takingOver() throws {
        let path = try directory.make("open", mode: 0o1777)
        try directory.setOwner("open", 7)
        try Directory.makePrivate(path, owner: Self.nobody)
        #expect(isPrivate(path, of: Self.nobody))
        try Directory.makePrivate(path, owner: owner)
        #expect(isPrivate(path, of: owner))
    }

    @Test("is never made through a symbolic link", .enabled(if: geteuid() == 0))
    func link() throws {
        try directory.make("victim", mode: 0o755)
        let link = try directory.link("link", to: "victim")
        let dangling = try directory.link("dangling", to: "nowhere")
        #expect(throws: SystemCallError.self) {
            try Directory.makePrivate(link, owner: Self.nobody)
        }
        #expect(throws: SystemCallError.self) {
            try Directory.makePrivate(dangling, owner: Self.nobody)
        }
        #expect(FileStatus(of: directory["victim"])?.owner == 0)
        #expect(FileStatus(of: directory["victim"])?.mode == 0o755)
        #expect(FileStatus(of: directory["nowhere"]) == nil)
    }

    @Test("cannot be made where a file is") func file() throws {
        let file = try directory.write("file", "")
        for path in [file, file.appending("below")] {
            #expect(throws: SystemCallError.self) { try Directory.make(path, mode: 0o755) }
        }
    }

    @Test("lists names that are not UTF-8 so that they can be opened") func bytes() throws {
        let name: [CChar] = [CChar(bitPattern: 0xff), 0x61, 0]
        let path = directory.path.appending(try #require(FilePath.Component(platformString: name)))
        _ = try Descriptor.open(path, O_WRONLY | O_CREAT, mode: 0o600)
        try directory.write(".hidden", "")
        let names = try Directory.list(directory.path)
        #expect(names.count == 2)
        #expect(names.allSatisfy { FileStatus(of: directory.path.appending($0)) != nil })
    }

    @Test("says what it cannot list, or lists nothing") func missing() {
        #expect(throws: SystemCallError.self) { try Directory.list(directory["missing"]) }
        #expect(Directory.entries(of: directory["missing"]).isEmpty)
    }
}
