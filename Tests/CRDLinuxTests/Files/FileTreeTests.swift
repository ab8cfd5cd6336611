// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

@Suite("Trees of files")
struct FileTreeTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write("tree/b/file", "x")
        try directory.write("tree/a", "y", mode: 0o755)
        try directory.write("outside/file", "z")
        try directory.link("tree/b/link", to: "../../outside")
    }

    @Test("are listed in order, links not followed")
    func listing() throws {
        let entries = try FileTree.entries(of: directory["tree"])
        #expect(entries.map(\.path.string) == ["a", "b", "b/file", "b/link"])
        #expect(entries.map(\.status.kind) == [.regular, .directory, .regular, .symbolicLink])
        let some = try FileTree.entries(of: directory["tree"]) { $0 != "b" }
        #expect(some.map(\.path.string) == ["a", "b"])
    }

    @Test("are removed, and nothing a link leads to with them")
    func removal() throws {
        try FileTree.remove(directory["tree"])
        #expect(FileStatus(of: directory["tree"], followingLinks: false) == nil)
        #expect(FileStatus(of: directory["outside/file"]) != nil)
        try FileTree.remove(directory["tree"])
        try directory.link("top", to: "outside")
        try FileTree.remove(directory["top"])
        #expect(FileStatus(of: directory["top"], followingLinks: false) == nil)
        #expect(FileStatus(of: directory["outside/file"]) != nil)
    }

    @Test("that are too deep are not entered for ever")
    func depth() throws {
        try directory.make((0..<70).map { _ in "d" }.joined(separator: "/"))
        #expect(throws: SystemCallError.self) { try FileTree.entries(of: directory["d"]) }
    }

    @Test(
        "a path stays in its directory, or leads out, or nowhere",
        arguments: [
            ("a", nil), ("b/file", nil), ("b/../a", nil), ("b/link", Errno.improperLink),
            ("b/link/file", .improperLink), ("..", .improperLink),
            ("b/none", .noSuchFileOrDirectory),
        ])
    func beneath(path: String, expected: Errno?) {
        var found: Errno?
        do throws(SystemCallError) {
            try FileTree.checkThat(FilePath(path), staysIn: directory["tree"])
        } catch {
            found = error.errno
        }
        #expect(found == expected)
    }

    // MARK: DurableFile

    @Test("a move replaces nothing, an exchange loses nothing")
    func moves() throws {
        #expect(throws: SystemCallError.self) {
            try DurableFile.move(directory["tree"], to: directory["outside"])
        }
        try DurableFile.move(directory["tree"], to: directory["moved"])
        #expect(FileStatus(of: directory["moved/a"]) != nil)
        #expect(try DurableFile.exchange(directory["moved"], directory["outside"]))
        #expect(FileStatus(of: directory["outside/a"]) != nil)
        #expect(FileStatus(of: directory["moved/file"]) != nil)
    }

    @Test("a file is replaced as a whole, for its owner alone")
    func replacing() throws {
        let file = directory["record"]
        for text in ["first", "second"] {
            try DurableFile.replace(file, with: Array(text.utf8))
            #expect(try Descriptor.open(file, O_RDONLY).readAll() == Array(text.utf8))
        }
        #expect(FileStatus(of: file)?.mode == 0o600)
        #expect(FileStatus(of: DurableFile.unfinished(file)) == nil)
        try DurableFile.forget(file)
        try DurableFile.forget(file)
        #expect(FileStatus(of: file) == nil)
    }
}
