// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// A user as the system's databases know it (getpwnam(3), getgrouplist(3)).
///
/// `named`, `find` and `with` may wait for a directory server on the network, so the daemon leaves
/// them to a helper process (G14).
public struct UserAccount: Hashable, Codable, Sendable {
    public let name: String
    public let uid: UID
    public let gid: GID
    /// All groups, including the primary one.
    public let groups: [GID]
    public let home: String
    public let shell: String

    /// Looks up a user; nil if there is none, or on failure.
    public static func named(_ name: String) -> UserAccount? { try? find(name) }

    /// Looks up a user; nil if there is none.
    ///
    /// - Throws: `SystemCallError` if the name service is currently unavailable.
    public static func find(_ name: String) throws(SystemCallError) -> UserAccount? {
        try lookUp(name) { getpwnam_r(name, $0, $1, $2, $3) }
    }

    /// Looks up a user by number; nil if the user has no entry.
    public static func with(uid: UID) -> UserAccount? {
        try? lookUp("\(uid)") { getpwuid_r(uid, $0, $1, $2, $3) }
    }

    /// The user that this process runs as, looked up once. /etc/passwd comes first, since it needs
    /// no waiting; the name service is asked only for a user who is not in it.
    public static let daemon: UserAccount = {
        let uid = geteuid()
        return inFile { $0.pw_uid == uid } ?? with(uid: uid)
            ?? UserAccount(
                name: "\(uid)", uid: uid, gid: getegid(), groups: [getegid()], home: "/",
                shell: "/bin/sh")
    }()

    /// Returns the user's name in /etc/passwd (passwd(5)); nil if the user is not in it.
    public static func localName(of uid: UID) -> String? { inFile { $0.pw_uid == uid }?.name }

    /// Returns the first matching entry of /etc/passwd (fgetpwent_r(3)), with only its primary
    /// group.
    private static func inFile(_ matches: (passwd) -> Bool) -> UserAccount? {
        firstEntry(of: "/etc/passwd") { file, buffer, size in
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            guard fgetpwent_r(file, &entry, buffer, size, &found) == 0, let found else {
                return .end
            }
            guard matches(found.pointee) else { return .other }
            let account = UserAccount(found.pointee, groups: [found.pointee.pw_gid])
            return account.map(Step.found) ?? .other
        }
    }

    /// Returns the ID of a group in /etc/group (fgetgrent_r(3)); nil if the group is not in it.
    public static func localGroup(named name: String) -> GID? {
        firstEntry(of: "/etc/group") { file, buffer, size in
            var entry = Glibc.group()
            var found: UnsafeMutablePointer<Glibc.group>?
            guard fgetgrent_r(file, &entry, buffer, size, &found) == 0, let found else {
                return .end
            }
            return strcmp(found.pointee.gr_name, name) == 0 ? .found(found.pointee.gr_gid) : .other
        }
    }

    private enum Step<Value> {
        case found(Value)
        case other
        case end
    }

    private static func firstEntry<Value>(
        of path: String,
        _ read: (UnsafeMutablePointer<FILE>, UnsafeMutablePointer<CChar>, Int) -> Step<Value>
    ) -> Value? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        // Room for a group with thousands of members; the search ends at a longer line.
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 18) { buffer in
            while true {
                switch read(file, buffer.baseAddress!, buffer.count) {
                case .found(let value): return value
                case .other: continue
                case .end: return nil
                }
            }
        }
    }

    private static func lookUp(
        _ subject: String,
        _ ask: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> CInt
    ) throws(SystemCallError) -> UserAccount? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var account: UserAccount?
        let code = withRoom { buffer, size in
            let code = ask(&entry, buffer, size, &found)
            // The strings are in the buffer.
            if code == 0, let found {
                let groups = groups(of: found.pointee.pw_name, primary: found.pointee.pw_gid)
                account = UserAccount(found.pointee, groups: groups)
            }
            return code
        }
        // getpwnam(3) lists these as "not found", since some services return them.
        guard [0, ENOENT, ESRCH, EBADF, EPERM].contains(code) else {
            throw SystemCallError(
                function: "getpwnam", errno: Errno(rawValue: code), subject: subject)
        }
        return account
    }

    private init?(_ entry: passwd, groups: [GID]) {
        guard let name = entry.pw_name else { return nil }
        self.init(
            name: String(cString: name), uid: entry.pw_uid, gid: entry.pw_gid, groups: groups,
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
            // getgrouplist(3) returns the number needed; otherwise the room is doubled.
            count = max(count, room * 2)
        }
    }

    /// Calls `ask` with more and more room until the answer fits.
    ///
    /// - Returns: the result of the last call.
    private static func withRoom(_ ask: (UnsafeMutablePointer<CChar>, Int) -> CInt) -> CInt {
        var size = 1_024
        while size <= 1 << 20 {
            let code = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) {
                ask($0.baseAddress!, size)
            }
            if code != ERANGE { return code }
            size *= 4
        }
        return ERANGE
    }
}
