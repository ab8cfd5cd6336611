// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

@Suite("Sizes")
struct ByteSizeTests {
    @Test(
        "are read with decimal and binary units",
        arguments: [
            ("0", 0), ("512", 512), ("7B", 7), ("1KB", 1000), ("1MB", 1_000_000),
            ("1GB", 1_000_000_000), ("1TB", 1_000_000_000_000), ("1KiB", 1 << 10),
            ("1MiB", 1 << 20), ("1GiB", 1 << 30), ("1TiB", 1 << 40), ("1K", 1 << 10),
            ("1M", 1 << 20), ("1G", 1 << 30), ("1T", 1 << 40), ("20 MiB", 20 << 20),
            ("1.5KiB", 1536), ("0.5 K", 512), ("1.001KiB", 1025),
        ] as [(String, Int)])
    func reading(text: String, expected: Int) throws {
        #expect(try ByteSize(parsing: text).bytes == expected)
    }

    @Test(
        "that are none say why",
        arguments: [
            ("", .empty), ("MiB", .noNumber), ("-1K", .negative), ("1mib", .unknownUnit("mib")),
            ("1MiB 5KiB", .noNumber), ("9000000TiB", .tooLarge),
        ] as [(String, QuantityScanner.Malformed)])
    func refusing(text: String, expected: QuantityScanner.Malformed) {
        #expect(throws: expected) { try ByteSize(parsing: text) }
    }

    @Test(
        "are written in the largest unit that leaves no remainder",
        arguments: [
            (0, "0B"), (1000, "1000B"), (1536, "1536B"), (1 << 20, "1MiB"), (3 << 30, "3GiB"),
        ] as [(Int, String)])
    func writing(bytes: Int, expected: String) {
        #expect(ByteSize(bytes).description == expected)
    }
}
