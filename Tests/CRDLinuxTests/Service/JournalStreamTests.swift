// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Testing

@testable import CRDLinux

@Suite("Journal stream")
struct JournalStreamTests {
    @Test("is where standard error leads only if the variable names just that file") func stream()
        async
    {
        await #expect(processExitsWith: .success) {
            unsetenv("JOURNAL_STREAM")
            #expect(!JournalStream.isStandardError)
            let status = try #require(FileStatus(of: 2))
            for (value, expected) in [
                ("\(status.device):\(status.inode)", true),
                ("\(status.device):\(status.inode + 1)", false),
                ("\(status.device + 1):\(status.inode)", false),
                ("\(status.device):\(status.inode) ", false), ("", false), (":", false),
            ] {
                setenv("JOURNAL_STREAM", value, 1)
                #expect(JournalStream.isStandardError == expected, "\(value)")
            }
            setenv("JOURNAL_STREAM", "\(status.device):\(status.inode)", 1)
            close(2)
            #expect(!JournalStream.isStandardError)
        }
    }
}
