// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("What a repository has")
struct RepositoryTreeTests {
    private func listing(_ lines: [String]) -> [UInt8] {
        lines.flatMap { Array($0.utf8) + [0] }
    }

    private func tree(_ paths: [String]) throws -> RepositoryTree {
        try RepositoryTree(parsing: listing(paths.map { "100755 blob 1234 5\t\($0)" }))
    }

    private func place(_ name: String, in paths: [String]) throws -> String {
        let place = try tree(paths).place(of: #require(ModuleName(name)))
        return "\(place.path) \(place.kind.map(\.rawValue) ?? "none")"
    }

    @Test("git's listing is read")
    func parsing() throws {
        let tree = try RepositoryTree(
            parsing: listing(["100644 blob 12ab      17\ta b/c", "160000 commit 34cd       -\tsub"])
        )
        #expect(
            tree.entries == [
                .init(mode: "100644", object: "12ab", size: 17, path: "a b/c"),
                .init(mode: "160000", object: "34cd", size: nil, path: "sub"),
            ])
    }

    @Test(
        "a module lies at the root or in one of three places",
        arguments: [
            (["check", "response"], "any", " user"),
            (["queue", "install"], "queue", " support"),
            (["queue/queue"], "queue", "queue support"),
            (["modules/m/check", "modules/m/response", "README"], "m", "modules/m user"),
            (["support/queue/queue", "support/queue/lib/x"], "queue", "support/queue support"),
            // Many modules beside a script that is called check.
            (["check", "support/queue/queue"], "queue", "support/queue support"),
            (["m/check", "m/response", "check", "response"], "m", "m user"),
            // Half a module, which a closer look will complain about.
            (["check"], "m", " none"), (["m/check"], "m", "m none"),
            (["q/q", "q/check"], "q", "q none"),
        ])
    func places(paths: [String], name: String, expected: String) throws {
        #expect(try place(name, in: paths) == expected)
    }

    @Test(
        "what is not there is answered with what is",
        arguments: [
            (["support/queue/queue"], "quwue", "has no module quwue; did you mean queue?"),
            (
                ["support/queue/queue", "m/check"], "webhook",
                "has no module webhook; it has m, queue"
            ),
            (["check", "support/queue/queue"], "webhook", "has no module webhook; it has queue"),
            (
                ["README"], "m",
                "has no module m; a module must be at the root, or in NAME/, modules/NAME/ or "
                    + "support/NAME/"
            ),
            (["deep/er/m/check"], "m", "has no module m; a module must be at"),
            (
                ["modules/m/check", "support/m/m"], "m",
                "has m several times, in modules/m/ and support/m/;"
            ),
        ])
    func missing(paths: [String], name: String, reason: String) throws {
        #expect {
            try place(name, in: paths)
        } throws: {
            ($0 as? RepositoryTree.Missing)?.reason.hasPrefix(reason) == true
        }
    }

    @Test(
        "names that lead elsewhere, or are somebody else's, are not even looked at",
        arguments: [
            "../../etc/passwd", "a/../b", "/etc/passwd", "a//b", "./a", ".git/config", "a/.GIT/x",
            "a\nb", "a\u{1B}[2J", "a\u{202E}b", String(repeating: "x", count: 256),
            String(repeating: "x/", count: 600) + "x",
        ])
    func names(path: String) {
        #expect(throws: RepositoryTree.Malformed.self) { try tree([path]) }
    }

    @Test("a name that is not UTF-8 is not either")
    func bytes() {
        let listing = Array("100644 blob 12 1\ta".utf8) + [0xFF, 0]
        #expect(throws: RepositoryTree.Malformed.self) { try RepositoryTree(parsing: listing) }
    }

    @Test("the files of a module are told by their paths in it")
    func entries() throws {
        let tree = try tree(["m/check", "m/response", "m/lib/a", "mm/check"])
        let place = try tree.place(of: #require(ModuleName("m")))
        #expect(tree.entries(in: place).map(\.path) == ["check", "response", "lib/a"])
    }

    @Test(
        "what is too large, or of a kind that no file has, is refused",
        arguments: [
            ("100644", "blob", 1, nil), ("100755", "blob", 256 << 20, nil),
            ("120000", "blob", 3, nil),
            ("160000", "commit", nil, "submodule"), ("104755", "blob", 1, "mode 104755"),
            ("100777", "blob", 1, "mode 100777"), ("020666", "blob", 1, "mode 020666"),
            ("100644", "blob", 5_000_000_000, "5000000000 bytes"),
        ] as [(String, String, Int?, String?)])
    func objections(mode: String, type: String, size: Int?, expected: String?) throws {
        let line = "\(mode) \(type) 12ab \(size.map { "\($0)" } ?? "-")\tfile"
        let objections = RepositoryTree.objections(
            to: try RepositoryTree(parsing: listing([line])).entries)
        #expect(objections.count == (expected == nil ? 0 : 1))
        if let expected { #expect(objections[0].contains(expected)) }
    }

    @Test("so is too much in all, and too many")
    func totals() throws {
        let half = (1...3).map { "100644 blob 12ab \(100 << 20)\tfile\($0)" }
        let large = try RepositoryTree(parsing: listing(half)).entries
        #expect(RepositoryTree.objections(to: large).count == 1)
        let many = try tree((0...10_000).map { "file\($0)" }).entries
        #expect(RepositoryTree.objections(to: many).count == 1)
        #expect(RepositoryTree.objections(to: Array(many.dropLast())).isEmpty)
    }
}
