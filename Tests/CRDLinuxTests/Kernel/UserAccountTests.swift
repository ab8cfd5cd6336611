// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Testing

@testable import CRDLinux

@Suite("UserAccount")
struct UserAccountTests {
    @Test("knows root by name and number") func root() throws {
        let root = try #require(UserAccount.named("root"))
        #expect(root.uid == 0 && root.gid == 0)
        #expect(root.groups.contains(0))
        #expect(root.home == "/root")
        #expect(root.shell.hasPrefix("/"))
        #expect(UserAccount.with(uid: 0) == root)
    }

    @Test("knows without a name service what is in the files") func local() throws {
        #expect(UserAccount.localName(of: 0) == "root")
        #expect(UserAccount.localName(of: 4_000_000_000) == nil)
        #expect(UserAccount.localGroup(named: "root") == 0)
        let nobody = try #require(UserAccount.named("nobody"))
        #expect(UserAccount.localName(of: nobody.uid) == "nobody")
    }

    @Test("knows everybody of the system's as the system does") func everybody() {
        setpwent()
        defer { endpwent() }
        while let entry = getpwent() {
            let name = String(cString: entry.pointee.pw_name)
            let account = UserAccount.named(name)
            #expect(account?.uid == entry.pointee.pw_uid)
            #expect(account?.groups.contains(entry.pointee.pw_gid) == true, "\(name)")
        }
    }

    @Test(
        "knows nobody who is not there",
        arguments: [
            "", "no-such-user", "0", "root ", "ro:ot", String(repeating: "x", count: 5_000),
        ])
    func missing(name: String) {
        #expect(UserAccount.named(name) == nil)
        #expect(UserAccount.localGroup(named: name) == nil)
        #expect(UserAccount.with(uid: 4_000_000_000) == nil)
    }

    @Test("says what can be said of a number without an entry", .enabled(if: geteuid() == 0))
    func unknown() async {
        await #expect(processExitsWith: .success) {
            setegid(3_999_999_999)
            seteuid(4_000_000_000)
            let account = UserAccount.daemon
            #expect(account.name == "4000000000" && account.uid == 4_000_000_000)
            #expect(account.gid == 3_999_999_999 && account.groups == [3_999_999_999])
        }
    }
}
