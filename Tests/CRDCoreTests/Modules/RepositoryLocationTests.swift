// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("Where a repository is")
struct RepositoryLocationTests {
    @Test(
        "is a git URL, a path, or GitHub's owner/name",
        arguments: [
            ("https://example.org/a.git", "https://example.org/a.git"),
            ("HTTPS://example.org/a.git", "https://example.org/a.git"),
            ("ssh://git@example.org:22/~/a", "ssh://git@example.org:22/~/a"),
            ("git://[::1]/a", "git://[::1]/a"),
            ("file:///srv/a", "file:///srv/a"),
            ("git@example.org:team/a.git", "git@example.org:team/a.git"),
            ("example.org:a", "example.org:a"),
            ("/srv/modules", "/srv/modules"),
            ("/srv/a:b", "/srv/a:b"),
            ("./a", "/home/a"), ("../a", "/a"), (".", "/home"), ("./", "/home"), ("..", "/"),
            ("../../a/", "/a"), ("./a/../b", "/home/a/../b"), ("/srv//a/./b/", "/srv/a/b"),
            ("/srv/../a", "/srv/../a"),
            ("owner/name", "https://github.com/owner/name"),
            ("owner/na.me-1_2", "https://github.com/owner/na.me-1_2"),
        ])
    func accepted(text: String, url: String) throws {
        #expect(try RepositoryLocation(parsing: text, from: "/home").url == url)
    }

    @Test(
        "is nothing else",
        arguments: [
            ("", "is empty"), ("name", "is neither"), ("a/b/c", "is neither"),
            ("owner/", "is neither"), ("/ name", nil), ("~/a", "is neither"),
            ("owner/.name", "is neither"), ("-u/x", "begins with '-'"),
            ("--upload-pack=x", "begins with '-'"),
            ("ext::sh -c true", "begins with 'ext'"), ("fd::3", "begins with 'fd'"),
            ("ftp://example.org/a", "begins with 'ftp'"), ("a\nb/c", "has control characters"),
            ("/a\u{202E}b", "has control characters"),
            ("http://user:p@TAIL@host.invalid/x", "has '@' in the part before its host; write"),
            ("http://user:p/TAIL@host.invalid/x", "has '/' in the part before its host; write"),
            ("http://user:p#TAIL@host.invalid/x", "has '#' in the part before its host; write"),
            ("https://example.org/a#v1", "has '#v1' at its end"), ("owner/name#v1", "has '#v1'"),
            ("git@example.org:a#v1", "has '#v1' at its end"), ("/srv/a#b", nil),
            ("file:///srv/a#b", nil),
        ] as [(String, String?)])
    func refused(text: String, reason: String?) {
        guard let reason else {
            #expect(throws: Never.self) { try RepositoryLocation(parsing: text, from: "/") }
            return
        }
        #expect {
            try RepositoryLocation(parsing: text, from: "/")
        } throws: {
            ($0 as? RepositoryLocation.Malformed)?.reason.hasPrefix(reason) == true
        }
    }

    @Test("a path in crd.conf must be whole")
    func relative() {
        #expect(throws: RepositoryLocation.Malformed.self) {
            try RepositoryLocation(parsing: "./a", from: nil)
        }
    }

    @Test(
        "is shown without a password",
        arguments: [
            ("https://me:secret@example.org/a", "https://***@example.org/a"),
            ("https://token@example.org/a", "https://***@example.org/a"),
            ("https://example.org/a?private_token=x", "https://example.org/a?***"),
            ("https://a?private_token_that_is_long@b", "https://***@b"),
            ("ssh://git@example.org/a", "ssh://git@example.org/a"),
            ("ssh://me:secret@example.org/a", "ssh://***@example.org/a"),
            ("https://example.org/a:b@c", "https://example.org/a:b@c"),
            ("https://example.org:80/a@c", "https://example.org:80/a@c"),
            ("git@example.org:a", "git@example.org:a"),
        ])
    func shown(text: String, shown: String) throws {
        #expect(try "\(RepositoryLocation(parsing: text, from: nil))" == shown)
    }

    @Test(
        "also where it is none for a password that is not encoded",
        arguments: [
            "http://user:p@TAIL@host.invalid/x", "http://user:p/TAIL@host.invalid/x",
            "http://user:p#TAIL@host.invalid/x", "http://user:p?TAIL@host.invalid/x",
            "http://user:TA@IL/TAIL@host.invalid/x",
        ])
    func unencoded(text: String) {
        let shown = RepositoryLocation.withoutSecrets(text)
        #expect(!shown.contains("TAIL") && shown.contains("***@host.invalid/x"), "\(shown)")
        do throws(RepositoryLocation.Malformed) {
            _ = try RepositoryLocation(parsing: text, from: nil)
        } catch {
            #expect(!error.reason.contains("TAIL"))
        }
    }

    @Test("nor are its parts, as they are written and as they are meant") func parts() throws {
        let location = try RepositoryLocation(
            parsing: "https://me:sec%40ret@example.org/a", from: nil)
        #expect(
            location.withoutSecrets(in: "'sec@ret' for sec%40ret, me:sec@ret@example.org")
                == "'***' for ***, ***@example.org")
    }

    @Test(
        "G15: is given to git without what may be secret, and without that it is used as before",
        arguments: [
            ("https://me:sec%40ret@example.org/a", "https://example.org/a", "me", "sec@ret"),
            ("http://me:a:b@example.org:80/a@c", "http://example.org:80/a@c", "me", "a:b"),
            ("https://token@[::1]:8443/a", "https://[::1]:8443/a", "token", ""),
            ("https://example.org/a", "https://example.org/a", nil, ""),
            ("ssh://git@example.org/a", "ssh://git@example.org/a", nil, ""),
            ("git@example.org:a", "git@example.org:a", nil, ""),
            ("/srv/a?b", "/srv/a?b", nil, ""), ("file:///srv/a?b", "file:///srv/a?b", nil, ""),
        ] as [(String, String, String?, String)])
    func handed(text: String, url: String, user: String?, password: String) throws {
        let location = try RepositoryLocation(parsing: text, from: nil)
        #expect(location.publicURL == url)
        #expect(location.credentials?.user == user)
        #expect(location.credentials?.password == user.map { _ in password })
        #expect(location.credentials.map { url.hasPrefix("\($0.origin)/") } ?? true)
        #expect(location.secretObjection == nil)
    }

    @Test(
        "G15: is not given to git where the secret cannot be taken out",
        arguments: [
            ("https://example.org/a?private_token=x", "has a '?'"),
            ("http://me:secret@example.org/a?b", "has a '?'"),
            ("ssh://me:secret@example.org/a", "has what may be a password"),
            ("git://token@example.org/a", "has what may be a password"),
            ("https://me:a%0Ab@example.org/a", "has control characters"),
        ])
    func objected(text: String, reason: String) throws {
        let location = try RepositoryLocation(parsing: text, from: nil)
        #expect(location.secretObjection?.hasPrefix(reason) == true)
    }

    @Test(
        "is known to ssh by its host, and its port where that is another",
        arguments: [
            ("ssh://git@example.org/a", "example.org"), ("ssh://example.org:22/a", "example.org"),
            ("ssh://git@example.org:222/a", "[example.org]:222"),
            ("git@example.org:a", "example.org"),
            ("https://example.org/a", nil), ("/srv/a", nil),
        ] as [(String, String?)])
    func knownHost(text: String, host: String?) throws {
        #expect(try RepositoryLocation(parsing: text, from: nil).knownHost == host)
    }

    @Test("nor is it in what git says of it")
    func quoted() throws {
        let location = try RepositoryLocation(
            parsing: "git://me:secret@example.org:1/a", from: nil)
        #expect(
            location.withoutSecrets(
                in: "cannot read git://me:secret@example.org:1/a: unable to look up "
                    + "me:secret@example.org")
                == "cannot read git://***@example.org:1/a: unable to "
                + "look up ***@example.org")
    }

    @Test(
        "A reference is a branch, a tag or a commit",
        arguments: [
            ("main", true), ("v1.0", true), ("feature/x", true), ("HEAD", true),
            ("0123456789abcdef0123456789abcdef01234567", true), ("refs/heads/main", true),
            ("", false), ("-x", false), ("+main", false), ("a:b", false), ("a..b", false),
            ("a^", false), ("a~1", false), ("a b", false), ("*", false), ("a@{1}", false),
            (".a", false), ("/a", false), ("a/", false), ("a.lock", false), ("a\n", false),
        ])
    func reference(text: String, isGood: Bool) {
        #expect((GitReference(text) != nil) == isGood)
    }
}
