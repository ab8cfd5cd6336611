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

    @Test(
        "Which only their user may enter",
        arguments: [
            ("fuse.x", "rw,user_id=1000,group_id=1000", UInt32(1000)),
            ("fuse", "rw,group_id=0,user_id=0", 0), ("fuseblk", "rw,user_id=7", 7),
            ("fuse.x", "rw,user_id=1000,group_id=1000,default_permissions,allow_other", nil),
            ("fuse.x", "rw,user_id=1000,allow_others", 1000), ("fuse.x", "rw", nil),
            ("fuse.x", "rw,user_id=-1", nil), ("cifs", "rw,user_id=1000", nil), ("ext4", "", nil),
        ])
    func closed(name: String, options: String, user: UInt32?) {
        let type = FileSystemType(name, options: options)
        #expect(type.soleUser == user)
        #expect(type.isClosed(to: 0) == (user ?? 0 != 0))
        #expect(!type.isClosed(to: user ?? 0))
    }
}
