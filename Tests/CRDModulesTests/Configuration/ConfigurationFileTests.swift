// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDModules
import Glibc
import SystemPackage
import TestSupport
import Testing

@Suite("ConfigurationFile")
struct ConfigurationFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("is read where it is named") func named() throws {
        let path = try directory.write("crd.conf", "slots = 7")
        let file = ConfigurationFile(path.string)
        #expect(file.path == path)
        #expect(file.configuration.slots == 7)
        #expect(file.complaints == [] && file.isReadable)
    }

    @Test("must be there when it is named") func missing() {
        let path = directory["none"].string
        let file = ConfigurationFile(path)
        #expect(
            file.complaints.map(\.description) == [
                "\(path):1:1: is not there; create it, or name another"
            ])
        #expect(!file.isReadable)
        #expect(file.configuration == Configuration())
    }

    @Test("keeps the defaults of what is wrong, and can still be read") func wrong() throws {
        let path = try directory.write("crd.conf", "slots = 7\nintervall = \"1s\"\n")
        let file = ConfigurationFile(path.string)
        #expect(file.complaints.count == 1)
        #expect(file.complaints.first?.description.hasPrefix("\(path):2:1: ") == true)
        #expect(file.isReadable)
        #expect(file.configuration.slots == 7)
        #expect(file.configuration.interval == Configuration().interval)
    }

    @Test("cannot be read when it is no TOML, no file, or open to others") func unreadable() throws
    {
        let broken = try directory.write("broken", "slots = \n")
        let open = try directory.write("open", "slots = 7", mode: 0o666)
        for (path, complaint) in [
            (broken, "\(broken):1:"),
            (directory.path, "\(directory.path):1:1: is not a regular file"),
            (
                open,
                "\(open):1:1: can be written by its group and everybody else; run: chmod go-w '\(open)'"
            ),
        ] {
            let file = ConfigurationFile(path.string)
            #expect(file.complaints.count == 1)
            #expect(file.complaints.first?.description.hasPrefix(complaint) == true)
            #expect(!file.isReadable)
        }
    }

    @Test("is named by the option, else by CRD_CONFIG, else the default, and made absolute")
    func naming() async throws {
        try directory.write("a.conf", "slots = 5")
        try directory.write("b.conf", "slots = 6")
        await #expect(processExitsWith: .success) { [base = directory.path.string as String] in
            chdir(base)
            setenv("CRD_CONFIG", "a.conf", 1)
            #expect(ConfigurationFile(nil).path.string == "\(base)/a.conf")
            #expect(ConfigurationFile(nil).configuration.slots == 5)
            #expect(ConfigurationFile("./b.conf").configuration.slots == 6)
            #expect(ConfigurationFile("\(base)/b.conf").configuration.slots == 6)
            setenv("CRD_CONFIG", "gone.conf", 1)
            #expect(
                ConfigurationFile(nil).complaints.map(\.description)
                    == ["\(base)/gone.conf:1:1: is not there; create it, or name another"])
            setenv("CRD_CONFIG", "", 1)
            #expect(ConfigurationFile(nil).path == ConfigurationFile.defaultPath)
            unsetenv("CRD_CONFIG")
            #expect(ConfigurationFile(nil).path == ConfigurationFile.defaultPath)
            // Whether or not this machine has one.
            if access("/etc/CRD/crd.conf", F_OK) == -1 {
                #expect(ConfigurationFile(nil).complaints == [])
                #expect(ConfigurationFile(nil).isReadable)
                #expect(ConfigurationFile(nil).configuration == Configuration())
            }
        }
    }
}
