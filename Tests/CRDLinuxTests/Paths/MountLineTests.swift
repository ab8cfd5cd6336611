// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@testable import CRDLinux

@Suite("A line of the mount table")
struct MountLineTests {
    private func parse(_ line: String) -> MountLine? {
        Array(line.utf8).withUnsafeBytes { MountLine($0) }
    }

    @Test(
        "has a number, a path and a type, whatever stands between them",
        arguments: [
            ("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=no", "ext3"),
            ("36 35 98:0 / /mnt2 rw - tmpfs  rw", "tmpfs"),
            ("36 35 98:0 / /mnt2 rw shared:1 master:2 propagate_from:3 - fuse.x a rw", "fuse.x"),
        ])
    func line(text: String, type: String) throws {
        let line = try #require(parse(text))
        #expect(line.number == 36 && line.path == Array("/mnt2".utf8) && line.type.name == type)
    }

    @Test("names who alone may enter") func user() throws {
        let line = try #require(
            parse("1 2 0:3 / /m rw - fuse.bindfs /d rw,user_id=7,group_id=0"))
        #expect(line.type.soleUser == 7)
    }

    @Test("has spaces and the like in its path as octal digits") func escapes() throws {
        let line = try #require(parse(#"1 2 0:3 / /a\040\011b\134\012 rw - tmpfs t rw"#))
        #expect(line.path == Array("/a \tb\\\n".utf8))
    }

    @Test("is left out if no system call takes its path, or if it is none")
    func others() {
        func line(_ length: Int) -> String {
            "1 2 0:3 / /\(String(repeating: "a", count: length - 1)) rw - tmpfs t rw"
        }
        #expect(parse(line(4_095)) != nil && parse(line(4_096)) == nil)
        for text in ["", " ", "x", "1", "1 2 0:3 /", "x 2 0:3 / /a rw - tmpfs t rw"] {
            #expect(parse(text) == nil, "\(text)")
        }
        // Cut off, as a line that is too long.
        #expect(parse("1 2 0:3 / /a\\04")?.path == Array("/a\\04".utf8))
    }
}
