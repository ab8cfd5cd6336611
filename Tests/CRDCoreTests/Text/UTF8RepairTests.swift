// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import TestSupport
import Testing

@Suite("Bytes that are not UTF-8")
struct UTF8RepairTests {
    private static func repaired(_ bytes: [UInt8]) -> [UInt8]? {
        bytes.withUnsafeBytes { UTF8Repair.repaired($0) }
    }

    @Test(
        "what is UTF-8 stays as it is",
        arguments: [
            "", "a", "plain text of some length", "é", "€", "😀", "grün 12345678 ü", "\u{0}",
        ])
    func text(_ text: String) {
        #expect(Self.repaired(Array(text.utf8)) == nil)
    }

    @Test(
        "each byte that is not part of a character becomes a question mark",
        arguments: [
            ([0xFF], "?"), ([0x80, 0x61], "?a"), ([0xC3], "?"), ([0xC3, 0x28], "?("),
            ([0xC0, 0xAF], "??"), ([0xE2, 0x82, 0x62], "??b"), ([0xED, 0xA0, 0x80], "???"),
            ([0xE0, 0x80, 0x80], "???"), ([0xF4, 0x90, 0x80, 0x80], "????"),
            ([0xF0, 0x9F, 0x98], "???"), ([0xF5, 0x80, 0x80, 0x80], "????"),
            ([0xF0, 0x80, 0x80, 0x80], "????"), ([0xC3, 0xA9, 0xFE, 0xC3, 0xA9], "é?é"),
            (Array("12345678".utf8) + [0xFF] + Array("123456789".utf8), "12345678?123456789"),
        ] as [([UInt8], String)])
    func faults(bytes: [UInt8], text: String) {
        #expect(Self.repaired(bytes) == Array(text.utf8))
    }

    /// Goal: it agrees with Swift's own decoder about what is UTF-8, and changes nothing else.
    @Test(arguments: UInt64(0)..<20)
    func agreesWithSwift(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let pieces: [[UInt8]] = [
            [0x61], [0xC3, 0xA9], [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0x98, 0x80], [0xFF], [0x80],
            [0xE2, 0x82], [0xED, 0xBF, 0xBF], [0xEF, 0xBF, 0xBF], [0xF4, 0x8F, 0xBF, 0xBF], [0xC1],
        ]
        for _ in 0..<500 {
            let bytes = (0..<random.below(14)).flatMap { _ in random.pick(pieces) }
            let isText = String(validating: bytes, as: UTF8.self) != nil
            guard let repaired = Self.repaired(bytes) else {
                #expect(isText, "seed \(seed): \(bytes)")
                continue
            }
            #expect(!isText, "seed \(seed): \(bytes)")
            #expect(repaired.count == bytes.count)
            #expect(String(validating: repaired, as: UTF8.self) != nil, "seed \(seed): \(bytes)")
        }
    }
}
