// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import Foundation
import SystemPackage
import TestSupport
import Testing

/// On the real kernel.
@Suite("WriteLease")
struct WriteLeaseTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("tells while somebody has the file open for writing, and only then")
    func writers() throws {
        let file = try directory.write("file", "x")
        #expect(!WriteLease.contains(file))
        let reader = open(file.string, O_RDONLY | O_CLOEXEC)
        #expect(!WriteLease.contains(file))
        for flags in [O_WRONLY, O_RDWR, O_WRONLY | O_APPEND] {
            let writer = open(file.string, flags | O_CLOEXEC)
            #expect(WriteLease.contains(file))
            close(writer)
            #expect(!WriteLease.contains(file))
        }
        close(reader)
        // Nothing keeps others from writing any more.
        let writer = open(file.string, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        #expect(writer >= 0)
        close(writer)
    }

    @Test("tells nothing of what is no file, and never waits for it") func others() throws {
        #expect(!WriteLease.contains(directory["missing"]))
        #expect(!WriteLease.contains(directory.path))
        mkfifo(directory["fifo"].string, 0o600)
        #expect(!WriteLease.contains(directory["fifo"]))
    }
}
