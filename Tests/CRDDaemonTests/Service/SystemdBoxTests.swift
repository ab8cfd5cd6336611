// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@Suite(
    "A systemd of a test's own", .takesTurns,
    .enabled(if: SystemdBox.isPossible, "\(SystemdBox.needs)"))
struct SystemdBoxTests {
    /// A service that notes each of its starts and then stays.
    private func addUnit(to box: SystemdBox) throws {
        try box.write(
            "[Service]\nExecStart=/bin/sh -c 'echo started >>/srv/notes; exec sleep 1000000'\n",
            to: "/etc/systemd/system/stay.service")
    }

    @Test("runs units, and tells of them in its journal")
    func units() async throws {
        let box = try SystemdBox()
        try addUnit(to: box)
        try box.write("[Service]\nExecStart=/bin/false\n", to: "/etc/systemd/system/bad.service")
        try await box.boot()
        #expect(try await box.run("cat /proc/1/comm") == "systemd\n")
        try await box.run("systemctl start stay.service bad.service")
        #expect(try await box.run("systemctl is-active stay.service") == "active\n")
        try await eventually("it has noted its start") { box.read("/srv/notes") == "started\n" }
        #expect(access("/srv/notes", F_OK) != 0)
        try await box.run("while ! systemctl is-failed bad.service; do sleep 0.05; done")
        let failures = try await box.journal(
            "--output=cat _PID=1 MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c UNIT=bad.service")
        #expect(failures == "bad.service: Failed with result 'exit-code'.\n")
        await #expect(throws: Trouble.self) { try await box.run("exit 3") }
    }

    @Test("keeps what was written over a reboot, and sees nothing of another one")
    func reboot() async throws {
        let boxes = try [SystemdBox(), SystemdBox()]
        for box in boxes { try addUnit(to: box) }
        try await boxes[0].boot()
        try await boxes[1].boot()
        try await boxes[0].run("systemctl start stay.service; logger --tag test first")
        try await eventually("it has noted its start") {
            boxes[0].read("/srv/notes") == "started\n"
        }
        await #expect(throws: Trouble.self) {
            try await boxes[1].run("systemctl is-active stay.service")
        }
        #expect(boxes[1].read("/srv/notes") == nil)
        let bootID = try await boxes[0].run("cat /proc/sys/kernel/random/boot_id")

        try await boxes[0].powerOff()
        try await boxes[0].boot()
        #expect(try await boxes[0].run("cat /proc/sys/kernel/random/boot_id") != bootID)
        #expect(try await boxes[0].journal("-t test --output=cat") == "first\n")
        #expect(boxes[0].read("/srv/notes") == "started\n")
        #expect(try await boxes[1].journal("-t test --output=cat --quiet") == "")
    }

    @Test("has the program under test as a service")
    func daemon() async throws {
        let box = try SystemdBox()
        try await box.install()
        try box.write(
            "#!/bin/sh\nexit 1\n", to: "/opt/CRD/modules/Never/check", mode: 0o755)
        try box.write("#!/bin/sh\n", to: "/opt/CRD/modules/Never/response", mode: 0o755)
        try await box.boot()
        try await box.run("systemctl start crd.service")
        try await box.run("until crd list --json | grep -q '\"idle\"'; do sleep 0.05; done")
        let list = try await box.run("crd list --json")
        #expect(list.contains("\"Never\"") && list.contains("\"cgroup\""), "\(list)")
        #expect(try await box.journal("-u crd.service").contains("started version"))
        try await box.run("systemctl stop crd.service")
        let result = try await box.run("systemctl show -P Result crd.service")
        let journal = try await box.journal()
        #expect(result == "success\n", "\(journal)")
    }

    @Test("is gone with all that was in it")
    func nothingIsLeft() async throws {
        var box: SystemdBox? = try SystemdBox()
        try addUnit(to: #require(box))
        try await box?.boot()
        try await box?.run("systemctl start stay.service")
        let traces = try #require(box?.traces)
        #expect(!Processes.mentioning(traces.directory).isEmpty)
        let before = try #require(box?.processes)
        #expect(before.count > 3)
        box = nil
        // Processes leave their cgroup a little before they are gone.
        try await eventually("all have ended") { !before.contains(where: Processes.exists) }
        #expect(Processes.mentioning(traces.directory).isEmpty)
        for path in traces.cgroups + [traces.directory] { #expect(access(path, F_OK) != 0) }
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
        #expect(!mounts.contains(traces.directory))
    }
}
