// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@testable import CRDLinux

@Suite("Entries of the daemon's own")
struct OwnEntriesTests {
    private static let own = OwnEntries(
        pid: 100, bootID: "b1", since: 5_000, uid: 0, executable: "/usr/bin/crd",
        cgroup: "/system.slice/crd.service")

    private func isOwn(
        _ fields: [String], bootID: String = "b1", monotonic: Int64 = 6_000,
        _ own: OwnEntries = own
    ) -> Bool {
        var all = JournalFields()
        for field in fields { Array(field.utf8).withUnsafeBytes { all.append($0) } }
        return own.contains(
            JournalEntry(
                position: JournalPosition(
                    cursor: "", time: 0, bootID: bootID, monotonic: monotonic, order: 0),
                fields: all, readAt: Instant(nanoseconds: 0)))
    }

    @Test("are those of its process, as long as it lives")
    func process() {
        #expect(isOwn(["MESSAGE=x", "_PID=100"]))
        #expect(isOwn(["_PID=100"], monotonic: 5_000))
        #expect(!isOwn(["_PID=1001"]) && !isOwn(["_PID=10"]) && !isOwn(["PID=100"]))
        // Another process had that number before.
        #expect(!isOwn(["_PID=100"], monotonic: 4_999))
        #expect(!isOwn(["_PID=100"], bootID: "b0"))
    }

    @Test("are those of its program and its user, in whichever life")
    func program() {
        let program = "_EXE=/usr/bin/crd"
        #expect(isOwn([program, "_UID=0", "_PID=7"], bootID: "b0", monotonic: 1))
        #expect(!isOwn([program, "_UID=1000"]) && !isOwn([program]))
        #expect(!isOwn(["_EXE=/usr/bin/crd2", "_UID=0"]))
    }

    @Test("are those of its cgroup, unless that is the root")
    func cgroup() {
        let cgroup = "_SYSTEMD_CGROUP=/system.slice/crd.service"
        #expect(isOwn([cgroup]) && isOwn([cgroup + "/runs/Log"]))
        #expect(!isOwn([cgroup + "2"]) && !isOwn(["_SYSTEMD_CGROUP=/system.slice"]))
        #expect(!isOwn(["SYSTEMD_CGROUP=/system.slice/crd.service"]))
        let inRoot = OwnEntries(
            pid: 100, bootID: "b1", since: 0, uid: 0, executable: "/usr/bin/crd", cgroup: "/")
        #expect(!isOwn(["_SYSTEMD_CGROUP=/"], inRoot) && !isOwn([cgroup], inRoot))
    }

    @Test(
        "are not those of which journald knows another cgroup; where it knows none, who can tell?")
    func elsewhere() {
        func isElsewhere(_ field: String, _ own: OwnEntries = Self.own) -> Bool {
            var fields = JournalFields()
            Array(field.utf8).withUnsafeBytes { fields.append($0) }
            return own.isElsewhere(fields)
        }
        #expect(isElsewhere("_SYSTEMD_CGROUP=/system.slice/other.service"))
        #expect(!isElsewhere("SYSTEMD_CGROUP=/system.slice/other.service"))
        #expect(!isElsewhere("_PID=7"))
        let inRoot = OwnEntries(
            pid: 100, bootID: "b1", since: 0, uid: 0, executable: "/usr/bin/crd", cgroup: "/")
        #expect(!isElsewhere("_SYSTEMD_CGROUP=/system.slice/other.service", inRoot))
    }

    @Test("happened when they were sent, which journald may write down later") func age() {
        let hour: Int64 = 3_600_000_000
        func age(sent: Int64?, bootID: String = "b1") -> Duration? {
            var fields = JournalFields()
            if let sent {
                let field = "_SOURCE_REALTIME_TIMESTAMP=\(sent)"
                Array(field.utf8).withUnsafeBytes { fields.append($0) }
            }
            let received = Clock.monotonicMicroseconds - hour
            return Self.own.age(
                of: JournalPosition(
                    cursor: "", time: 9_000_000, bootID: bootID, monotonic: received, order: 0),
                fields)
        }
        #expect(age(sent: nil, bootID: "b0") == nil)
        // However long this test itself takes.
        let cases: [(Int64?, Int64)] = [
            (nil, 0), (7_000_000, 2), (9_000_001, 0), (-100_000_000, 0),
        ]
        for (sent, later) in cases {
            let seconds = (age(sent: sent) ?? .zero).components.seconds - 3_600
            #expect((later..<later + 30).contains(seconds), "\(later): \(seconds)")
        }
        #expect((age(sent: 7_000_000) ?? .zero) > (age(sent: nil) ?? .zero) + .seconds(1))
    }
}
