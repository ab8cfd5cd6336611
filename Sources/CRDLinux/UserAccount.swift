// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// A user as the system's databases know it (getpwnam(3), getgrouplist(3)).
///
/// Looked up when a module is read, never on the way to a run: the answer may come from a
/// directory server on the network.
public struct UserAccount: Hashable, Sendable {
    public let name: String
    public let uid: UID
    public let gid: GID
    /// All groups, the primary one among them.
    public let groups: [GID]
    public let home: String
    public let shell: String

    /// Nil where there is no such user.
    public static func named(_ name: String) -> UserAccount? {
        lookUp { getpwnam_r(name, $0, $1, $2, $3) }
    }

    /// Nil where the user has no entry.
    public static func with(uid: UID) -> UserAccount? {
        lookUp { getpwuid_r(uid, $0, $1, $2, $3) }
    }

    /// Who this process runs as; a uid without an entry gets what can be said of it.
    public static func current() -> UserAccount {
        with(uid: geteuid())
            ?? UserAccount(
                name: "\(geteuid())", uid: geteuid(), gid: getegid(), groups: [getegid()],
                home: "/", shell: "/bin/sh")
    }

    /// The group's id (getgrnam(3)); nil where there is none.
    public static func group(named name: String) -> GID? {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        return withRoom { getgrnam_r(name, &entry, $0, $1, &found) } ? found?.pointee.gr_gid : nil
    }

    private static func lookUp(
        _ ask: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> CInt
    ) -> UserAccount? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var account: UserAccount?
        _ = withRoom { buffer, size in
            let code = ask(&entry, buffer, size, &found)
            // The strings live in the buffer.
            if code == 0, let found { account = UserAccount(found.pointee) }
            return code
        }
        return account
    }

    private init?(_ entry: passwd) {
        guard let name = entry.pw_name else { return nil }
        self.init(
            name: String(cString: name), uid: entry.pw_uid, gid: entry.pw_gid,
            groups: Self.groups(of: name, primary: entry.pw_gid),
            home: entry.pw_dir.map { String(cString: $0) } ?? "/",
            shell: entry.pw_shell.map { String(cString: $0) } ?? "/bin/sh")
    }

    init(name: String, uid: UID, gid: GID, groups: [GID], home: String, shell: String) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home
        self.shell = shell
    }

    private static func groups(of name: UnsafePointer<CChar>, primary: GID) -> [GID] {
        var count: CInt = 32
        while true {
            var groups = [GID](repeating: 0, count: Int(count))
            let room = count
            if getgrouplist(name, primary, &groups, &count) >= 0 {
                return Array(groups.prefix(Int(count)))
            }
            // It says how many there are; where it does not, more room is found by doubling.
            count = max(count, room * 2)
        }
    }

    /// Asks with more and more room until the answer fits.
    private static func withRoom(_ ask: (UnsafeMutablePointer<CChar>, Int) -> CInt) -> Bool {
        var size = 1_024
        while size <= 1 << 20 {
            let code = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) {
                ask($0.baseAddress!, size)
            }
            if code != ERANGE { return code == 0 }
            size *= 4
        }
        return false
    }
}
