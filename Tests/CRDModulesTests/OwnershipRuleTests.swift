// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import CRDModules
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Goal: what anybody but root could change is never trusted (G13), and the message names the one
/// component to blame and the remedy.
/// Method: trees made step by step in a directory of root's; `BASE` in a message is its path.
@Suite("G13: OwnershipRule", .enabled(if: geteuid() == 0))
struct OwnershipRuleTests {
    enum Step: Sendable {
        case file(String, mode: ModeBits = 0o644)
        case directory(String, mode: ModeBits = 0o755)
        case link(String, to: String)
        case owner(String, UID)
    }

    private static let stranger: UID = 4_000_000_000
    private static let roleUser: UID = 65_534

    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// The rule's complaint about `BASE/path`; nil if it accepts.
    private func refusal(
        of path: String, after steps: [Step], as daemonUser: UID = 0, ownedAlsoBy owner: UID? = nil
    ) throws -> String? {
        for step in steps {
            switch step {
            case .file(let name, let mode): try directory.write(name, "", mode: mode)
            case .directory(let name, let mode): try directory.make(name, mode: mode)
            case .link(let name, let target): try directory.link(name, to: resolved(target))
            case .owner(let name, let owner): try directory.setOwner(name, owner)
            }
        }
        do throws(FileRefusal) {
            let rule = OwnershipRule(daemonUser: daemonUser)
            let path = directory.path.pushing(FilePath(path))
            if let owner {
                // As for the executables of a module.
                try rule.verify(path.removingLastComponent())
                try rule.verify(lastOf: path, ownedAlsoBy: owner)
            } else {
                try rule.verify(path)
            }
            return nil
        } catch {
            #expect(error.description == "\(error.path) \(error.reason)")
            return directory.plain(error.description)
        }
    }

    private func resolved(_ target: String) -> String {
        target.hasPrefix("BASE") ? directory.path.string + target.dropFirst(4) : target
    }

    // MARK: What is accepted

    @Test(
        "accepts what is root's alone",
        arguments: [
            ([Step.file("a/b/f")], "a/b/f"),
            ([.file("a/f", mode: 0o755)], "a/f"),
            ([.directory("a/b", mode: 0o700)], "a/b"),
            // A sticky directory above: nobody can replace root's files there.
            ([.file("t/f"), .directory("t", mode: 0o1777)], "t/f"),
            ([.file("t/a/f"), .directory("t", mode: 0o1775)], "t/a/f"),
            // Links, wherever they are and lead.
            ([.file("a/f"), .link("l", to: "a")], "l/f"),
            ([.file("a/f"), .link("l", to: "a/f")], "l"),
            ([.file("a/f"), .link("l", to: "BASE/a")], "l/f"),
            ([.file("a/f"), .directory("b/c"), .link("b/c/l", to: "../../a/f")], "b/c/l"),
            ([.file("a/f"), .directory("b/c"), .link("b/l", to: "c/../../a")], "b/l/f"),
            ([.file("a/f"), .link("l", to: "m"), .link("m", to: "a/f")], "l"),
            ([.file("a/f"), .link("a/here", to: ".")], "a/here/here/f"),
            ([.file("a/f"), .link("a/here", to: ".")], "a/here"),
            ([.file("a/f"), .link("root", to: "/")], "root"),
            // Dots in the path itself; `..` goes up from where a link has led.
            ([.file("a/f"), .directory("x")], "x/../a/./f"),
            ([.file("a/f"), .directory("a/b"), .link("l", to: "a/b")], "l/../f"),
        ])
    func accepted(steps: [Step], path: String) throws {
        #expect(try refusal(of: path, after: steps) == nil)
    }

    @Test("returns what the path leads to") func status() throws {
        try directory.write("a/f", "", mode: 0o750)
        try directory.link("l", to: "a/f")
        try directory.link("a/up", to: "b/..")
        try directory.make("a/b", mode: 0o700)
        try directory.setMode("a", 0o711)
        let rule = OwnershipRule()
        #expect(try rule.verify(directory["l"]).mode == 0o750)
        #expect(try rule.verify(directory["a/up"]).mode == 0o711)
        #expect(try rule.verify(directory["a"].appending("b").appending("..")).mode == 0o711)
        #expect(try rule.verify("/").kind == .directory)
    }

    // MARK: What is refused

    @Test(
        "refuses what others can write, and says which and how to mend it",
        arguments: [
            ([Step.file("a/f", mode: 0o664)], "a/f", "BASE/a/f", "its group", "g-w"),
            ([.file("a/f", mode: 0o646)], "a/f", "BASE/a/f", "anybody", "o-w"),
            (
                [.file("a/f", mode: 0o777)], "a/f", "BASE/a/f", "its group and everybody else",
                "go-w"
            ),
            // The sticky bit means nothing on a file.
            (
                [.file("a/f", mode: 0o1666)], "a/f", "BASE/a/f", "its group and everybody else",
                "go-w"
            ),
            ([.directory("a/b", mode: 0o775)], "a/b", "BASE/a/b", "its group", "g-w"),
            (
                [.file("a/b/f"), .directory("a", mode: 0o775)], "a/b/f", "BASE/a", "its group",
                "g-w"
            ),
            ([.file("a/b/f"), .directory("a", mode: 0o757)], "a/b/f", "BASE/a", "anybody", "o-w"),
            // A sticky directory as the last: anybody could put an executable into it.
            (
                [.directory("t", mode: 0o1777)], "t", "BASE/t", "its group and everybody else",
                "go-w"
            ),
            (
                [.directory("t", mode: 0o1777)], "t/.", "BASE/t", "its group and everybody else",
                "go-w"
            ),
            (
                [.directory("t/a"), .directory("t", mode: 0o1777)], "t/a/..", "BASE/t",
                "its group and everybody else", "go-w"
            ),
            (
                [.directory("t", mode: 0o1777), .link("l", to: "t/.")], "l", "BASE/t",
                "its group and everybody else", "go-w"
            ),
            // Places that a link leads through.
            (
                [.file("a/f", mode: 0o664), .link("l", to: "a/f")], "l", "BASE/a/f", "its group",
                "g-w"
            ),
            (
                [.file("a/f"), .directory("a", mode: 0o775), .link("l", to: "a/f")], "l", "BASE/a",
                "its group", "g-w"
            ),
            (
                [
                    .file("a/f"), .directory("w"), .directory("w", mode: 0o777),
                    .link("l", to: "w/../a"),
                ],
                "l/f", "BASE/w", "its group and everybody else", "go-w"
            ),
        ])
    func writable(
        steps: [Step], path: String, culprit: String, who: String, remedy: String
    ) throws {
        #expect(
            try refusal(of: path, after: steps)
                == "\(culprit) can be written by \(who); run: chmod \(remedy) '\(culprit)'")
    }

    @Test(
        "refuses what is somebody else's, and says whose",
        arguments: [
            ([Step.file("a/f"), .owner("a/f", stranger)], "a/f", "BASE/a/f", ""),
            ([.file("a/f"), .owner("a", stranger)], "a/f", "BASE/a", ""),
            ([.directory("a"), .owner("a", stranger)], "a", "BASE/a", ""),
            // A sticky directory lets its owner replace everything.
            (
                [.file("t/f"), .directory("t", mode: 0o1777), .owner("t", stranger)], "t/f",
                "BASE/t",
                ""
            ),
            // A link in a sticky directory, which anybody can make in /tmp.
            (
                [
                    .file("a/f"), .directory("t"), .link("t/l", to: "BASE/a/f"),
                    .owner("t/l", stranger), .directory("t", mode: 0o1777),
                ], "t/l", "BASE/t/l", "-h "
            ),
            (
                [
                    .file("a/f"), .owner("a/f", stranger), .link("l", to: "m"),
                    .link("m", to: "a/f"),
                ],
                "l", "BASE/a/f", ""
            ),
        ])
    func foreign(steps: [Step], path: String, culprit: String, option: String) throws {
        #expect(
            try refusal(of: path, after: steps)
                == "\(culprit) belongs to uid 4000000000, not to root; "
                + "run: chown \(option)root '\(culprit)'")
    }

    @Test("names the owner it knows, and its own user beside root") func names() throws {
        let steps = [Step.file("f"), .owner("f", 1)]
        let daemon = try #require(UserAccount.with(uid: 1)).name
        #expect(
            try refusal(of: "f", after: steps)
                == "BASE/f belongs to \(daemon) (uid 1), not to root; run: chown root 'BASE/f'")
        #expect(
            try refusal(of: "f", after: [], as: 77)
                == "BASE/f belongs to \(daemon) (uid 1), not to root or uid 77; "
                + "run: chown root 'BASE/f'")
    }

    @Test("accepts what is the daemon's own") func ownUser() throws {
        let steps = [
            Step.file("a/f"), .owner("a/f", Self.roleUser), .owner("a", Self.roleUser),
            .directory("t/b"), .owner("t", Self.roleUser), .directory("t", mode: 0o1777),
        ]
        #expect(try refusal(of: "a/f", after: steps, as: Self.roleUser) == nil)
        #expect(try refusal(of: "t/b", after: [], as: Self.roleUser) == nil)
        #expect(try refusal(of: "a/f", after: []) != nil)
    }

    @Test("lets the role's user own the executable, and nothing else") func roleUser() throws {
        func isAccepted(_ path: String, _ steps: [Step] = []) throws -> Bool {
            try refusal(of: path, after: steps, ownedAlsoBy: Self.roleUser) == nil
        }
        let steps = [
            Step.file("m/check", mode: 0o755), .owner("m/check", Self.roleUser),
            .link("m/response", to: "check"), .owner("m/response", Self.roleUser),
        ]
        #expect(try isAccepted("m/check", steps))
        #expect(try isAccepted("m/response"))
        #expect(try !isAccepted("m/check", [.owner("m", Self.roleUser)]), "the directory above")
        #expect(try !isAccepted("m"), "a directory at the end")
        try directory.setOwner("m", 0)
        // A link on the way counts like a directory on the way.
        try directory.link("way", to: "m")
        #expect(try isAccepted("way/check"))
        try directory.setOwner("way", Self.roleUser)
        #expect(try !isAccepted("way/check"))
        try directory.setMode("m/check", 0o775)
        #expect(try !isAccepted("m/check"), "its own, but its group's too")
    }

    @Test(
        "says what is not there, or leads nowhere",
        arguments: [
            ([Step.directory("a")], "a/f", "BASE/a/f is not there"),
            ([], "x/y/z", "BASE/x is not there"),
            ([.file("f")], "f/g", "BASE/f/g lies below something that is not a directory"),
            ([.link("l", to: "gone")], "l", "BASE/gone is not there"),
            ([.link("l", to: "gone")], "l/f", "BASE/gone is not there"),
            (
                [.link("l", to: "l")], "l",
                "BASE/l leads through too many symbolic links; break the loop"
            ),
            (
                [.link("l", to: "m"), .link("m", to: "l")], "l/f",
                "BASE/l/f leads through too many symbolic links; break the loop"
            ),
        ])
    func nowhere(steps: [Step], path: String, message: String) throws {
        #expect(try refusal(of: path, after: steps) == message)
    }

    @Test("follows as many links as the kernel does") func chain() throws {
        try directory.write("0", "")
        for number in 1...41 { try directory.link("\(number)", to: "\(number - 1)") }
        for number in [40, 41] {
            let isKernelWilling = FileStatus(of: directory["\(number)"]) != nil
            #expect(try (refusal(of: "\(number)", after: []) == nil) == isKernelWilling)
        }
    }
}
