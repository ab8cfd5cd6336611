// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import Testing

@testable import CRDLinux

@Suite("The status of a file") struct FileStatusTests {
    @Test(
        "has any time that a user may give it",
        arguments: [
            (0, 0), (1_700_000_000, 1_700_000_000_000_000), (-1, -999_999),
            (9_223_372_036_855, .max), (.max, .max), (-9_223_372_036_855, .min), (.min, .min),
        ] as [(Int, Int64)])
    func times(seconds: Int, microseconds: Int64) {
        var status = stat()
        status.st_mtim = timespec(tv_sec: seconds, tv_nsec: seconds == -1 ? 1_000 : 0)
        status.st_ctim = status.st_mtim
        #expect(FileStatus(status).modifiedMicroseconds == microseconds)
    }

    @Test("adds up to no more than fits") func sums() {
        #expect([Int64.max, 1].saturatingSum() == .max)
        #expect([Int64(2), 3].saturatingSum() == 5)
    }
}
