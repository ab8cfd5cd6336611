// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@Suite("Types of file systems")
struct FileSystemTypeTests {
    @Test(
        "Which may wait for a server, and which hide changes from inotify",
        arguments: [
            ("ext4", false, false), ("tmpfs", false, false), ("overlay", false, false),
            ("cgroup2", false, false), ("fusectl", false, true), ("proc", false, true),
            ("sysfs", false, true), ("nfs4", true, true), ("cifs", true, true),
            ("9p", true, true), ("virtiofs", true, true), ("autofs", true, false),
            ("fuse", true, false), ("fuseblk", true, false), ("fuse.bindfs", true, false),
            ("fuse.sshfs", true, true),
        ])
    func kinds(name: String, mayStall: Bool, hidesChanges: Bool) {
        let type = FileSystemType(name)
        #expect(type.mayStall == mayStall)
        #expect(type.hidesChanges == hidesChanges)
    }
}
